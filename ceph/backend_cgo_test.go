//go:build cgo && !nolibrados

package ceph_test

import (
	"testing"

	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/librados"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

func openLibrados(t testing.TB, c *labceph.Cluster, o librados.Options) ceph.Commander {
	t.Helper()
	if o.Conf = c.Conf; o.Keyring == "" {
		o.Keyring = c.Admin
	}
	conn, err := librados.Open(within(t, patience), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func librarian(t testing.TB, c *labceph.Cluster, id, keyring string) ceph.Commander {
	return openLibrados(t, c, librados.Options{ID: id, Keyring: keyring})
}
