//go:build !cgo || nolibrados

package ceph_test

import (
	"errors"
	"testing"

	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/librados"
	"github.com/stackmend/stackmend/internal/lab"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

// librarian: without cgo there is none, and it says so.
func librarian(t testing.TB, _ *labceph.Cluster, _, _ string) ceph.Commander {
	t.Helper()
	if _, err := librados.Open(t.Context(), librados.Options{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
	lab.Without(t, "librados: built without cgo")
	return nil
}
