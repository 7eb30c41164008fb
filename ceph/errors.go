package ceph

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/stackmend/stackmend"
)

// The codes that Ceph's daemons answer with, in Linux's numbers whatever the
// machine: EPERM, ENOENT, EACCES, EBUSY, EINVAL, EAGAIN, EOPNOTSUPP, ETIMEDOUT.
const (
	codeNotPermitted = 1
	codeAbsent       = 2
	codeAgain        = 11
	codeDenied       = 13
	codeBusy         = 16
	codeInvalid      = 22
	codeUnsupported  = 95
	codeTimedOut     = 110
)

// A CommandError is what became of a command that was not answered with
// success. It is compatible with errors.Is: [fs.ErrPermission] if these keys
// may not do it, [fs.ErrNotExist] if what was asked about is not there,
// [errors.ErrUnsupported] if the daemon cannot do it, [stackmend.ErrTimeout]
// and [stackmend.ErrUncertain] if no answer came in time.
type CommandError struct {
	Command string // as people write it
	Code    int    // the daemon's, in Linux's numbers; 0: it gave none
	Status  string // what the daemon said
	Err     error  // what went wrong on the way, if it did
}

func (e *CommandError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "ceph: %s:", e.Command)
	if e.Code != 0 {
		fmt.Fprintf(&b, " error %d", e.Code)
	}
	if e.Status != "" {
		fmt.Fprintf(&b, " %s", strings.TrimSpace(e.Status))
	}
	if e.Err != nil {
		fmt.Fprintf(&b, " %v", e.Err)
	}
	return b.String()
}

func (e *CommandError) Unwrap() error { return e.Err }

// Is reports what the daemon's code means.
func (e *CommandError) Is(target error) bool {
	switch target {
	case fs.ErrPermission:
		return e.Code == codeNotPermitted || e.Code == codeDenied
	case fs.ErrNotExist:
		return e.Code == codeAbsent
	case errors.ErrUnsupported:
		return e.Code == codeUnsupported
	case stackmend.ErrTimeout:
		return e.Code == codeTimedOut
	}
	return false
}

// Lost makes the error of a command whose answer did not come before ctx
// ended. For the Commanders of other packages.
func Lost(c Command, ctx context.Context) error {
	cause := context.Cause(ctx)
	late := stackmend.ErrUncertain
	if errors.Is(cause, context.DeadlineExceeded) {
		late = fmt.Errorf("%w, %w", stackmend.ErrUncertain, stackmend.ErrTimeout)
	}
	return &CommandError{Command: c.String(), Err: fmt.Errorf("no answer: %w (%w)", late, cause)}
}

// Failed makes the error of a command that the daemon answered with a code
// (its sign does not matter). For the Commanders of other packages.
func Failed(c Command, code int, status string) error {
	if code < 0 {
		code = -code
	}
	return &CommandError{Command: c.String(), Code: code, Status: status}
}
