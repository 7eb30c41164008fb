//go:build !cgo || nolibrados

package pressure

import (
	"context"

	"github.com/stackmend/stackmend/ceph"
)

func connect(_ context.Context, conf, keyring string) (ceph.Commander, func(), error) {
	return ceph.CLI{Conf: conf, Keyring: keyring}, func() {}, nil
}
