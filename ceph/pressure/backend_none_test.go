//go:build !cgo || nolibrados

package pressure

import (
	"testing"

	"github.com/stackmend/stackmend/ceph"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

func commander(_ testing.TB, c *labceph.Cluster) ceph.Commander {
	return ceph.CLI{Conf: c.Conf, Keyring: c.Admin}
}
