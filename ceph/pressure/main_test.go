package pressure

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/internal/lab"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

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

// observe looks until the map stood still meanwhile.
func observe(t testing.TB, c *labceph.Cluster) *ceph.Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	to := commander(t, c)
	for {
		s, err := ceph.Observe(ctx, to, ceph.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if s.Epoch == s.EpochEnd && s.Mgr.Available {
			return s
		}
	}
}
