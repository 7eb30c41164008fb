package main

import (
	"context"
	"os"
	"time"

	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/librados"
)

// commander is the way to the cluster that the flags name; call done at the end.
func (c *check) commander(ctx context.Context) (to ceph.Commander, done func(), err error) {
	done = func() {}
	switch {
	case c.replay != "":
		if _, err := os.Stat(c.replay); err != nil {
			return nil, done, err
		}
		return ceph.Recorded{FS: os.DirFS(c.replay)}, done, nil
	case c.backend == "librados":
		ctx, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		conn, err := librados.Open(ctx, librados.Options{Conf: c.conf, ID: c.id, Keyring: c.keyring})
		if err != nil {
			return nil, done, err
		}
		to, done = conn, conn.Close
	default:
		to = ceph.CLI{Conf: c.conf, ID: c.id, Keyring: c.keyring}
	}
	if c.asok == "" {
		return to, done, nil
	}
	sockets, err := ceph.FindSockets(c.asok, os.DirFS(c.asok))
	return ceph.Local{Next: to, Sockets: sockets}, done, err
}

// recorder puts a recorder before the cluster if the flags say so.
func (c *check) recorder(to ceph.Commander) (ceph.Commander, func(), error) {
	none := func() {}
	if c.record == "" {
		return to, none, nil
	}
	if err := os.MkdirAll(c.record, 0o700); err != nil {
		return nil, none, err
	}
	root, err := os.OpenRoot(c.record)
	if err != nil {
		return nil, none, err
	}
	rec, err := ceph.NewRecorder(to, root, time.Now())
	if err != nil {
		root.Close()
		return nil, none, err
	}
	return rec, func() { root.Close() }, nil
}
