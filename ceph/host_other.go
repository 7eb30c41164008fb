//go:build !linux

package ceph

import (
	"context"
	"errors"
	"fmt"
)

// ObserveHost returns an error that is [errors.ErrUnsupported].
func ObserveHost(context.Context, HostOptions) (*Host, error) {
	return nil, fmt.Errorf("ceph: looking at a host needs Linux: %w", errors.ErrUnsupported)
}

func (r *hostReader) number(string, string) (int64, error) { return -1, errors.ErrUnsupported }

func storagePeers() (map[flow]Peer, error) { return nil, errors.ErrUnsupported }
