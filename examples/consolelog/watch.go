package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend/examples/cli"
)

// watch runs the tool once, or with -watch round after round. A round is a
// run of its own, with its own plan, lock and journal.
func (s *settings) watch(ctx context.Context, args []string, std cli.Streams) int {
	every := interval(args)
	if every <= 0 {
		return s.tool().Run(ctx, args, std)
	}
	if slices.ContainsFunc(args, once) {
		_ = cli.Note(std.Err, "consolelog: -watch makes its own plans: not with -plan, -run, -plan-id, -resume or -revert\n")
		return 64
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		next := *s // the flags' defaults, and what was seen last
		status := next.tool().Run(ctx, args, std)
		s.seen = next.seen
		if status == 64 || ctx.Err() != nil {
			return status
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return status
		}
	}
}

// interval finds -watch among the arguments. What is wrong with it is told by
// the run.
func interval(args []string) time.Duration {
	for i, a := range args {
		if !is(a, "watch") {
			continue
		}
		_, value, ok := strings.Cut(a, "=")
		if !ok && i+1 < len(args) {
			value = args[i+1]
		}
		d, _ := time.ParseDuration(value)
		return d
	}
	return 0
}

// once reports whether a flag makes no sense in a loop.
func once(arg string) bool {
	return slices.ContainsFunc([]string{"plan", "run", "plan-id", "resume", "revert"}, func(name string) bool {
		return is(arg, name)
	})
}

// is reports whether arg is the flag -name, --name or -name=VALUE.
func is(arg, name string) bool {
	for _, dashes := range []string{"-", "--"} {
		if arg == dashes+name || strings.HasPrefix(arg, dashes+name+"=") {
			return true
		}
	}
	return false
}
