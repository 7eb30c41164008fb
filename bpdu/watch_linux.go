package bpdu

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Watch returns a channel that gets a value after links have come, gone or
// changed, and then were quiet for a while (settle): the moment to observe and
// plan anew. It is closed when the context ends or the kernel's messages end;
// if messages were lost because they were too many, it gets a value as well.
// It needs no privilege.
func (k Kernel) Watch(ctx context.Context, settle time.Duration) (<-chan struct{}, error) {
	c, err := k.dial(unix.NETLINK_ROUTE, 1<<(unix.RTNLGRP_LINK-1))
	if err != nil {
		return nil, err
	}
	changes := make(chan struct{}, 1)
	go func() {
		defer close(changes)
		for {
			if _, err := c.Receive(); err != nil && !errors.Is(err, unix.ENOBUFS) {
				return
			}
			select {
			case changes <- struct{}{}:
			default:
			}
		}
	}()
	context.AfterFunc(ctx, func() { _ = c.Close() })
	return settled(ctx, changes, settle), nil
}

// settled passes a change on when no other has followed for a while.
func settled(ctx context.Context, changes <-chan struct{}, quiet time.Duration) <-chan struct{} {
	out := make(chan struct{}, 1)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case _, ok := <-changes:
				if !ok {
					return
				}
			}
			if !calm(ctx, changes, quiet) {
				return
			}
			select {
			case out <- struct{}{}:
			default: // one that nobody has taken yet says it all
			}
		}
	}()
	return out
}

// calm waits until there are no changes for a while, but not longer than ten
// times that: a host where links never rest is looked at as well.
func calm(ctx context.Context, changes <-chan struct{}, quiet time.Duration) bool {
	longest := time.After(10 * quiet)
	for {
		select {
		case <-ctx.Done():
			return false
		case <-longest:
			return true
		case <-time.After(quiet):
			return true
		case _, ok := <-changes:
			if !ok {
				return false
			}
		}
	}
}
