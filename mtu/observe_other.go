//go:build !linux

package mtu

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// A Namespace is a network namespace to read. There are none here.
type Namespace struct{ Host string }

func unsupported(what string) error {
	return fmt.Errorf("mtu: %s: %w", what, errors.ErrUnsupported)
}

// ThisNamespace returns an error compatible with errors.ErrUnsupported.
func ThisNamespace(string) (*Namespace, error) { return nil, unsupported("netlink") }

// OpenNamespace returns an error compatible with errors.ErrUnsupported.
func OpenNamespace(_, _ string) (*Namespace, error) { return nil, unsupported("netlink") }

// Close does nothing.
func (n *Namespace) Close() error { return nil }

// Observe returns an error compatible with errors.ErrUnsupported.
func Observe(context.Context, ...*Namespace) ([]Host, error) { return nil, unsupported("netlink") }

// Read returns an error compatible with errors.ErrUnsupported.
func (n *Namespace) Read(context.Context) (Host, error) { return Host{}, unsupported("netlink") }

// SetMTU returns an error compatible with errors.ErrUnsupported.
func (n *Namespace) SetMTU(context.Context, int, string, int) error { return unsupported("netlink") }

// Ways returns an error compatible with errors.ErrUnsupported.
func (n *Namespace) Ways(context.Context, ...netip.Addr) ([]string, error) {
	return nil, unsupported("netlink")
}
