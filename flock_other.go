//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package stackmend

import (
	"errors"
	"fmt"
	"os"
)

func openLocked(path string) (*os.File, error) {
	return nil, fmt.Errorf("%s: no flock on this system: %w", path, errors.ErrUnsupported)
}

func createLocked(path string) (*os.File, error) { return openLocked(path) }

func unlockClose(f *os.File) error { return f.Close() }

func shareLock(f *os.File) (*os.File, error) { return openLocked(f.Name()) }
