//go:build !linux

package bpdu

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errNoKernel = fmt.Errorf("bpdu: only Linux has bridges and nftables: %w", errors.ErrUnsupported)

// Observe reads the devices, bridges, bonds and filters. On this system the
// error is compatible with errors.Is(err, errors.ErrUnsupported).
func (k Kernel) Observe(context.Context) (*Host, error) { return nil, errNoKernel }

// Capture listens for BPDUs. On this system the error is compatible with
// errors.Is(err, errors.ErrUnsupported).
func (k Kernel) Capture(context.Context, time.Duration, int) (*Capture, error) {
	return nil, errNoKernel
}

// Watch tells when links come and go. On this system the error is compatible
// with errors.Is(err, errors.ErrUnsupported).
func (k Kernel) Watch(context.Context, time.Duration) (<-chan struct{}, error) {
	return nil, errNoKernel
}

func (k Kernel) filters() (Family, *Table, error)       { return "", nil, errNoKernel }
func (k Kernel) links(context.Context) ([]Link, error)  { return nil, errNoKernel }
func (k Kernel) replace(Family, *Table, []string) error { return errNoKernel }
func prove(Family) error                                { return errNoKernel }
