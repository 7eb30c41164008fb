// Command bpdu finds the instance whose spanning-tree frames made a switch
// disable a compute node's ports, and filters such frames at the taps of
// instances before they reach an uplink.
//
//	bpdu -syslog /var/log/switches.log -ports ports.json -servers servers.json
//	bpdu                                   # this host: bonds, bridges, taps
//	bpdu -capture 10s                      # and who sends BPDUs just now
//	bpdu -protect all -allow tap1,tap2     # a dry run
//	bpdu -protect all -apply               # filter all taps once, as a timer does
//	bpdu -protect all -apply -watch        # and again whenever links change
//	bpdu -remove -protect all -apply       # leaves nothing
package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stackmend/stackmend/bpdu"
	"github.com/stackmend/stackmend/examples/cli"
)

func main() {
	args, watch := withoutWatch(os.Args[1:])
	if !watch {
		os.Exit(cli.Main(tool()))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	os.Exit(follow(ctx, bpdu.Kernel{}, args, cli.Streams{Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}))
}

// withoutWatch takes -watch off the arguments: each round is a run of its own.
func withoutWatch(args []string) ([]string, bool) {
	isWatch := func(a string) bool { return strings.TrimPrefix(a, "-") == "-watch" || a == "-watch" }
	return slices.DeleteFunc(slices.Clone(args), isWatch), slices.ContainsFunc(args, isWatch)
}

// settle is how long links must be quiet before a round.
const settle = 500 * time.Millisecond

// follow runs the tool, and once more after every change of links: one plan
// for each. It returns the exit status of the last round.
func follow(ctx context.Context, k bpdu.Kernel, args []string, std cli.Streams) int {
	changes, err := k.Watch(ctx, settle)
	if err != nil {
		_ = cli.Note(std.Err, "bpdu: %v\n", err)
		return 3
	}
	status := toolOn(k).Run(ctx, args, std)
	for range changes {
		if status == 64 { // wrong usage does not get better
			return status
		}
		status = toolOn(k).Run(ctx, args, std)
	}
	return status
}
