// Package qemu makes real disk images with qemu-img and opens them with a real
// qemu, for tests.
package qemu

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
)

const system = "qemu-system-x86_64"

// Create runs qemu-img create: Create(t, "-f", "raw", path, "4M"). It needs
// qemu-img.
func Create(t testing.TB, arg ...string) {
	t.Helper()
	Img(t, append([]string{"create", "-q"}, arg...)...)
}

// Raw makes a raw image of 4 MiB.
func Raw(t testing.TB, path string) {
	t.Helper()
	Create(t, "-f", "raw", path, "4M")
}

// Overlay makes a qcow2 image on top of another one, which it names as given.
func Overlay(t testing.TB, path, backing, format string) {
	t.Helper()
	Create(t, "-f", "qcow2", "-b", backing, "-F", format, path)
}

// Img runs qemu-img and returns what it prints.
func Img(t testing.TB, arg ...string) string {
	t.Helper()
	lab.Need(t, "qemu-img")
	out, err := exec.Command("qemu-img", arg...).CombinedOutput()
	if err != nil {
		t.Fatalf("qemu-img %q: %v\n%s", arg, err, out)
	}
	return string(out)
}

// Chain is the image and all that it stands on, as qemu-img sees it. An error
// means that a guest on it would not start.
func Chain(path string) ([]string, error) {
	cmd := exec.Command("qemu-img", "info", "-U", "--backing-chain", "--output=json", path)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil {
		if exit, _ = err.(*exec.ExitError); exit != nil {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, err
	}
	var infos []struct{ Filename string }
	if err := json.Unmarshal(out, &infos); err != nil {
		return nil, err
	}
	var chain []string
	for _, i := range infos {
		chain = append(chain, i.Filename)
	}
	return chain, nil
}

// Hold starts a guest that is paused before its first instruction and has the
// qcow2 image, and all that it stands on, open as a running one has.
func Hold(t testing.TB, path string) *lab.Process {
	t.Helper()
	lab.Need(t, system)
	chain, err := Chain(path)
	if err != nil {
		t.Fatal(err)
	}
	p := lab.Start(t, system, "-M", "pc,accel=tcg", "-m", "16", "-nodefaults", "-display", "none", "-S",
		"-drive", "file="+path+",format=qcow2,if=virtio")
	p.Until(t, "having the images open", func() bool { return holds(p.Process.Pid, chain) })
	return p
}

// holds reports whether the process has all the files open.
func holds(pid int, files []string) bool {
	for _, f := range files {
		if !hasOpen(pid, f) {
			return false
		}
	}
	return true
}

func hasOpen(pid int, file string) bool {
	want, err := os.Stat(file)
	if err != nil {
		return false
	}
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		if got, err := os.Stat(fd); err == nil && os.SameFile(want, got) {
			return true
		}
	}
	return false
}
