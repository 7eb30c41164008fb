//go:build cgo && !nolibrados

package pressure

import (
	"context"
	"testing"
	"time"

	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/librados"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

// commander reaches the cluster by librados: a command takes milliseconds.
func commander(t testing.TB, c *labceph.Cluster) ceph.Commander {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := librados.Open(ctx, librados.Options{Conf: c.Conf, Keyring: c.Admin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}
