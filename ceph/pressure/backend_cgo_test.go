//go:build cgo && !nolibrados

package pressure

import (
	"context"

	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/librados"
)

// connect reaches a cluster by librados: a command takes milliseconds.
func connect(ctx context.Context, conf, keyring string) (ceph.Commander, func(), error) {
	conn, err := librados.Open(ctx, librados.Options{Conf: conf, Keyring: keyring})
	if err != nil {
		return nil, nil, err
	}
	return conn, conn.Close, nil
}
