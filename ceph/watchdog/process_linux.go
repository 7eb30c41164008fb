package watchdog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/internal/child"
)

// isOSD reports whether a process is this OSD's and has not ended. One whose
// memory is gone may still hold its files, and the lock on its pid file: it has
// ended when it is a zombie without other threads.
func isOSD(pid, osd int) (bool, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if len(b) == 0 {
		return !child.Ended(pid), nil
	}
	id, ok := osdOf(b, nil)
	return ok && id == osd, nil
}

// terminate sends SIGTERM to a process, by a descriptor of it, so that the
// number cannot become another's between the look and the signal. Nothing is
// started for it.
func terminate(pid, osd int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	defer p.Release()
	if is, err := isOSD(pid, osd); err != nil || !is {
		return err
	}
	err = p.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// anon is what a process uses now.
func anon(pid int) (int64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	n := kib(b, "RssAnon:")
	if n < 0 {
		return 0, fmt.Errorf("%w: RssAnon of process %d", stackmend.ErrUncertain, pid)
	}
	return n + max(kib(b, "VmSwap:"), 0), nil
}
