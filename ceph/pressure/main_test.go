package pressure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
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
	if reached.done != nil {
		reached.done()
	}
	if err := shared.Down(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// raiseIn names the folder of a process that was started to be killed while it
// raises recovery.
const raiseIn = "PRESSURE_RAISE_IN"

// reached is the one connection of this process.
var reached struct {
	sync.Mutex
	to   ceph.Commander
	done func()
}

// commander reaches the cluster.
func commander(t testing.TB, c *labceph.Cluster) ceph.Commander {
	t.Helper()
	return reach(t, c.Conf, c.Admin)
}

func reach(t testing.TB, conf, keyring string) ceph.Commander {
	t.Helper()
	reached.Lock()
	defer reached.Unlock()
	if reached.to == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		var err error
		if reached.to, reached.done, err = connect(ctx, conf, keyring); err != nil {
			t.Fatal(err)
		}
	}
	return reached.to
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
