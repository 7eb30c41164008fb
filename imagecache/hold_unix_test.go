//go:build unix

package imagecache

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
)

func mkfifo(path string) error { return syscall.Mkfifo(path, 0o600) }

// holdOpen starts a process that has the file open as its standard input.
func holdOpen(t testing.TB, path string) *lab.Process {
	t.Helper()
	lab.Need(t, "sleep")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("sleep", "1000")
	cmd.Stdin = f
	return lab.StartCmd(t, cmd)
}
