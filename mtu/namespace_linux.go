package mtu

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
)

// A Namespace is a network namespace to read, and the name that its links
// shall have as a Host. It holds a file descriptor until Close.
type Namespace struct {
	Host string
	ns   netns.NsHandle
}

// ThisNamespace opens the network namespace of the calling thread.
func ThisNamespace(host string) (*Namespace, error) {
	ns, err := netns.Get()
	return namespace(host, ns, err)
}

// OpenNamespace opens a network namespace by its file: /run/netns/NAME, or
// /proc/PID/ns/net. The error is compatible with errors.Is(err,
// os.ErrNotExist) and os.ErrPermission.
func OpenNamespace(host, path string) (*Namespace, error) {
	ns, err := netns.GetFromPath(path)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return namespace(host, ns, err)
}

func namespace(host string, ns netns.NsHandle, err error) (*Namespace, error) {
	if err != nil {
		return nil, fmt.Errorf("mtu: namespace of %s: %w", host, err)
	}
	return &Namespace{Host: host, ns: ns}, nil
}

// Close lets go of the namespace.
func (n *Namespace) Close() error { return n.ns.Close() }

// inside calls f on a thread that is in the namespace.
func (n *Namespace) inside(f func() error) error {
	if n == nil || !n.ns.IsOpen() {
		return fmt.Errorf("mtu: no namespace: %w", errors.ErrUnsupported)
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		before, err := netns.Get()
		if err != nil {
			done <- err
			return
		}
		defer before.Close()
		if !before.Equal(n.ns) {
			if err := netns.Set(n.ns); err != nil {
				done <- fmt.Errorf("mtu: entering the namespace of %s: %w", n.Host, err)
				return
			}
		}
		err = f()
		if before.Equal(n.ns) || netns.Set(before) == nil {
			runtime.UnlockOSThread() // else the thread ends with this goroutine
		}
		done <- err
	}()
	return <-done
}
