// Consolelog finds console logs of guests that have grown too large, and
// bounds them without losing a byte of what is written meanwhile.
//
//	consolelog -instances /var/lib/nova/instances -limit 100MiB
//	consolelog -limit 100MiB -archive /srv/consoles -apply -watch 30s
//	consolelog tail /var/lib/nova/instances/UUID/console.log -lines 50
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/stackmend/stackmend/examples/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], cli.Streams{Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}))
}

// run is the program without its process.
func run(ctx context.Context, args []string, std cli.Streams) int {
	if len(args) > 0 && args[0] == "tail" {
		return tail(args[1:], std)
	}
	s := newSettings()
	s.getenv = std.Getenv
	return s.watch(ctx, args, std)
}
