//go:build !linux

package mtu

import (
	"context"
	"errors"
	"fmt"
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
