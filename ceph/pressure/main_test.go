package pressure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

// shared is the real cluster that the tests of this package share.
var shared labceph.Shared

func cluster(t testing.TB) *labceph.Cluster {
	t.Helper()
	return shared.Get(t)
}

func TestMain(m *testing.M) {
	if place := os.Getenv(raiseIn); place != "" {
		os.Exit(raiseChild(place))
	}
	status := m.Run()
	if err := shared.Down(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// raiseIn names the folder of a process that was started to be killed while it
// raises recovery.
const raiseIn = "PRESSURE_RAISE_IN"

// commander reaches the cluster until the test ends.
func commander(t testing.TB, c *labceph.Cluster) ceph.Commander {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	conn, done, err := connect(ctx, c.Conf, c.Admin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done)
	return conn
}

// raiseChild runs the plan of the folder with a journal in it.
func raiseChild(place string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	plan, err := readPlan(filepath.Join(place, "plan"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	j, err := stackmend.OpenJournal(filepath.Join(place, "journal"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c, _, err := connect(ctx, filepath.Join(place, "conf"), filepath.Join(place, "keyring"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, err = stackmend.Run(ctx, plan, NewApplier(c, ApplierOptions{Sample: 100 * time.Millisecond}),
		stackmend.Options{Mode: stackmend.Apply, Journal: j, MaxWait: 3 * time.Minute})
	fmt.Fprintln(os.Stderr, errors.Join(err, j.Close()))
	return 1
}

// observe looks until the map stood still meanwhile.
func observe(t testing.TB, c *labceph.Cluster) *ceph.Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	to := commander(t, c)
	for {
		s, err := ceph.Observe(ctx, to, ceph.Options{LogLines: 10})
		if err != nil {
			t.Fatal(err)
		}
		if s.Epoch == s.EpochEnd && s.Mgr.Available {
			return s
		}
	}
}
