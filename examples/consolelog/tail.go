package main

import (
	"flag"
	"fmt"

	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/examples/cli"
)

// tail prints the end of one console's log.
func tail(args []string, std cli.Streams) int {
	fs := flag.NewFlagSet("consolelog tail", flag.ContinueOnError)
	fs.SetOutput(std.Err)
	var size cli.Size
	fs.Var(&size, "bytes", "the last `SIZE` of it (default 100KiB)")
	lines := fs.Int("lines", 0, "the last `N` lines")
	raw := fs.Bool("raw", false, "with escape sequences and broken characters, for a pipe")
	fs.Usage = func() {
		fmt.Fprint(std.Err, "usage: consolelog tail PATH [-bytes SIZE | -lines N] [-raw]\n")
		fs.PrintDefaults()
	}
	path := ""
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		path, args = args[0], args[1:]
	}
	err := fs.Parse(args)
	if path == "" && fs.NArg() == 1 {
		path = fs.Arg(0)
	} else if fs.NArg() > 0 {
		path = ""
	}
	if err != nil || path == "" || *lines < 0 {
		fs.Usage()
		return 64
	}
	b, err := consolelog.Tail{Path: path, Bytes: int64(size), Lines: *lines}.Read()
	if err != nil {
		fmt.Fprintf(std.Err, "%s\n", cli.Clean(err.Error())) // which begins with consolelog
		return 3
	}
	if !*raw {
		b = consolelog.Plain(b)
	}
	if _, err := std.Out.Write(b); err != nil {
		return 3
	}
	return 0
}
