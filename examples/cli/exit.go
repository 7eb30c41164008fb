package cli

import (
	"errors"

	"github.com/stackmend/stackmend"
)

// The exit statuses. Those of a check are Nagios's.
const (
	exitDone      = 0
	exitUnknown   = 3
	exitRefused   = 4
	exitStopped   = 5
	exitUncertain = 6
	exitUsage     = 64 // EX_USAGE of sysexits.h
)

func checkExit(s stackmend.Status) int {
	switch s {
	case stackmend.OK:
		return 0
	case stackmend.Warn:
		return 1
	case stackmend.Fail:
		return 2
	}
	return exitUnknown
}

// exitOf is the exit status of a run, or of what kept it from running.
func exitOf(r stackmend.Result, err error) int {
	switch {
	case errors.Is(err, errUsage):
		return exitUsage
	case has(r, stackmend.Uncertain) || errors.Is(err, stackmend.ErrUncertain):
		return exitUncertain
	case err == nil:
		return exitDone
	case begun(r):
		return exitStopped
	}
	for _, refusal := range []error{stackmend.ErrRefused, stackmend.ErrStale, stackmend.ErrEdited, stackmend.ErrExpired,
		stackmend.ErrSchema, stackmend.ErrLocked, stackmend.ErrJournal} {
		if errors.Is(err, refusal) {
			return exitRefused
		}
	}
	return exitUnknown
}

func has(r stackmend.Result, s stackmend.State) bool {
	for _, o := range r.Outcomes {
		if o.State == s {
			return true
		}
	}
	return false
}

// begun reports whether the run did something.
func begun(r stackmend.Result) bool {
	return r.Mode != stackmend.DryRun && (has(r, stackmend.Done) || has(r, stackmend.Failed) ||
		has(r, stackmend.Partial) || has(r, stackmend.Reverted))
}
