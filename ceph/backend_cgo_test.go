//go:build cgo && !nolibrados

package ceph_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stackmend/stackmend"
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

// TestLibradosHangs: a call that its caller has given up lives on in librados.
// It holds its place until the OSD answers, late; the connection serves others
// meanwhile and afterwards, and Close does not pull it away under the call.
func TestLibradosHangs(t *testing.T) {
	c := cluster(t)
	conn := openLibrados(t, c, librados.Options{Calls: 2, OSDTimeout: 2 * patience})
	closed := openLibrados(t, c, librados.Options{Calls: 1, OSDTimeout: 2 * patience})
	_, err := c.Ceph("osd", "set", "nodown") // it stays up in the map
	must(t, err)
	t.Cleanup(func() {
		_, err := c.Ceph("osd", "unset", "nodown")
		must(t, err)
	})
	thaw := freeze(t, c, "osd.1")
	lost := func(to ceph.Commander) {
		t.Helper()
		err := returns(t, func() error {
			ctx, cancel := context.WithTimeout(t.Context(), short)
			defer cancel()
			_, err := ceph.Ask(ctx, to, ceph.Command{To: ceph.ToOSD(1), Prefix: "status"})
			return err
		})
		if !errors.Is(err, stackmend.ErrUncertain) || !errors.Is(err, stackmend.ErrTimeout) {
			t.Errorf("while osd.1 is frozen: %v", err)
		}
	}
	answered := func(id int) {
		t.Helper()
		if _, err := ceph.Ask(within(t, patience), conn, ceph.Command{To: ceph.ToOSD(id), Prefix: "status"}); err != nil {
			t.Errorf("osd.%d: %v", id, err)
		}
	}
	lost(conn)
	answered(0) // there is another place
	lost(conn)
	lost(conn) // both places are taken: it is not even put
	lost(closed)
	closed.(*librados.Conn).Close()
	if _, err := ceph.Ask(within(t, patience), closed, statusCommand); err == nil {
		t.Error("a command after Close was answered")
	}
	thaw()
	answered(1) // the late answers have given their places back
	answered(0)
}
