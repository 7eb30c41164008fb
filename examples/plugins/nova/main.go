// Nova answers stackmend_nova.py, which runs inside of nova-compute: which base
// images its cleaner may delete, and what stands at the end of a console. A
// question is one JSON object on stdin, its answer one on stdout.
//
//	{"schema": 1, "ask": "unused", "instances": "/var/lib/nova/instances", "subdirectory": "_base"}
//	{"schema": 1, "unused": ["<name of a base image>"], "result": {...}}
//
//	{"schema": 1, "ask": "tail", "path": "/var/lib/nova/instances/UUID/console.log", "bytes": 102400}
//	{"schema": 1, "tail": "<base64>"}
//
// "result" is the Result of package imagecache with its plan, whose "kept" says
// of every other image why it is needed. A question that cannot be answered
// gets {"schema": 1, "error": "..."} and exit status 3, and the plugin keeps
// every image. Nothing is ever changed here.
//
// The flags say whom to ask about the fleet, as those of examples/imagecache.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
