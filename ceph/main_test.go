package ceph_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/internal/lab"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

// patience is how long a healthy cluster may take to answer on a busy machine.
const patience = 60 * time.Second

var started struct { // by the first test that needs it
	sync.Once
	cluster *labceph.Cluster
	dir     string
	err     error
}

// cluster is the real one that the tests of this package share.
func cluster(t testing.TB) *labceph.Cluster {
	t.Helper()
	lab.Need(t, labceph.Programs()...)
	started.Do(func() {
		if started.dir, started.err = os.MkdirTemp("", "c"); started.err == nil {
			started.cluster, started.err = labceph.Up(started.dir)
		}
	})
	if started.err != nil {
		t.Fatal(started.err)
	}
	return started.cluster
}

func TestMain(m *testing.M) {
	status := m.Run()
	if started.cluster != nil {
		if err := started.cluster.Down(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	if started.dir != "" {
		os.RemoveAll(started.dir)
	}
	os.Exit(status)
}

func cli(c *labceph.Cluster) ceph.CLI { return ceph.CLI{Conf: c.Conf, Keyring: c.Admin} }

// within is a context that ends after d, or with the test.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func observe(t testing.TB, c ceph.Commander, o ceph.Options) *ceph.Snapshot {
	t.Helper()
	s, err := ceph.Observe(within(t, 3*patience), c, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// must ends the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func body(r io.ReadCloser, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
