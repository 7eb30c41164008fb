//go:build !linux

package watchdog

import (
	"errors"
	"fmt"
	"time"
)

// A Sampler reads the memory of a host's OSDs. It needs Linux.
type Sampler struct{}

// NewSampler returns an error that is errors.ErrUnsupported.
func NewSampler(SamplerOptions) (*Sampler, error) {
	return nil, fmt.Errorf("watchdog: %w", errors.ErrUnsupported)
}

// Lacks is nothing.
func (*Sampler) Lacks() Lacks { return 0 }

// Close does nothing.
func (*Sampler) Close() error { return nil }

// Pass returns an error that is errors.ErrUnsupported.
func (*Sampler) Pass(time.Duration) (*Pass, error) {
	return nil, fmt.Errorf("watchdog: %w", errors.ErrUnsupported)
}
