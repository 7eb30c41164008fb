//go:build unix

package consolelog

import (
	"fmt"
	"os"
	"syscall"
)

// openLog opens a regular file for reading. It follows no symbolic link, and
// does not wait for the other end of a FIFO.
func openLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("consolelog: %w", err)
	}
	return regular(f)
}
