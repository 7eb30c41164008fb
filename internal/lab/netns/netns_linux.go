package netns

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
	"golang.org/x/sys/unix"
)

// A Namespace is a network namespace that goes with its test. It has a
// loopback device, which is down.
type Namespace struct {
	T  testing.TB
	FD int
}

// New makes a namespace. Without the right to, the test fails in CI and is
// skipped elsewhere.
func New(t testing.TB) *Namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		lab.Without(t, "not root: no network namespaces")
	}
	n := &Namespace{T: t}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		return n.open("/proc/thread-self/ns/net")
	})
	if err != nil {
		lab.Without(t, fmt.Sprintf("no network namespace: %v", err))
	}
	return n
}

// Open comes to a namespace that Bind has given a name.
func Open(t testing.TB, path string) *Namespace {
	t.Helper()
	n := &Namespace{T: t}
	if err := n.open(path); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *Namespace) open(path string) (err error) {
	if n.FD, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		n.T.Cleanup(func() { unix.Close(n.FD) })
	}
	return err
}

// Bind gives the namespace a name, for other processes, until the test ends.
func (n *Namespace) Bind(path string) {
	n.T.Helper()
	err := os.WriteFile(path, nil, 0o600)
	if err == nil {
		err = unix.Mount(fmt.Sprintf("/proc/self/fd/%d", n.FD), path, "", unix.MS_BIND, "")
	}
	if err != nil {
		n.T.Fatal(err)
	}
	n.T.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
}

// onThread runs f on a thread of its own, which ends with it.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread may be in another namespace
		done <- f()
	}()
	return <-done
}

// In runs f on a thread in the namespace. What f opens there stays there;
// goroutines that it starts do not run there. It must not end the test.
func (n *Namespace) In(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(n.FD, unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
}

// Run runs a program in the namespace and returns what it prints.
func (n *Namespace) Run(name string, arg ...string) string {
	n.T.Helper()
	var out []byte
	err := n.In(func() (err error) {
		out, err = exec.Command(name, arg...).CombinedOutput()
		return err
	})
	if err != nil {
		n.T.Fatalf("%s %s: %v\n%s", name, strings.Join(arg, " "), err, out)
	}
	return string(out)
}
