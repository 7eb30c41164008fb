//go:build !linux

package watchdog

import (
	"errors"
	"fmt"
)

var errLinux = fmt.Errorf("watchdog: %w", errors.ErrUnsupported)

func isOSD(pid, osd int) (bool, error) { return false, errLinux }

func terminate(pid, osd int) error { return errLinux }

func anon(pid int) (int64, error) { return 0, errLinux }
