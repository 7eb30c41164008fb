package main

import (
	"context"
	"os"

	"github.com/stackmend/stackmend/mtu"
)

// watchdogArg is the first argument of the child that sets everything back if
// the run dies.
const watchdogArg = "watch-the-run"

func watchdog(args []string) int {
	if err := watch(args); err != nil {
		note(os.Stderr, "mtu: %v\n", err)
		return 6
	}
	return 0
}

func watch(args []string) error {
	g, err := mtu.ParseGuarded(args)
	if err != nil {
		return err
	}
	n, err := mtu.ThisNamespace("this host")
	if err != nil {
		return err
	}
	defer n.Close()
	g.Applier = mtu.NewApplier(n, mtu.ApplierOptions{})
	_, err = mtu.Watch(context.Background(), os.Stdin, g)
	return err
}
