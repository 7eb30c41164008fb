package ceph_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

// short is a deadline that a frozen daemon runs into.
const short = 3 * time.Second

// freeze stops a daemon as it stands; it goes on when the returned function is
// called, and the cluster is healthy again after the test.
func freeze(t *testing.T, c *labceph.Cluster, name string) (thaw func()) {
	t.Helper()
	must(t, c.Signal(name, syscall.SIGSTOP))
	for end := time.Now().Add(patience); !stopped(c.PID(name)); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(name + " does not stop")
		}
	}
	thaw = func() { must(t, c.Signal(name, syscall.SIGCONT)) }
	t.Cleanup(func() {
		thaw()
		must(t, c.Healthy())
	})
	return thaw
}

// stopped reports whether every thread of a process has stopped: a signal that
// was sent is on its way, and one of them may still answer.
func stopped(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, path := range threads {
		b, err := os.ReadFile(path)
		if i := bytes.LastIndexByte(b, ')'); err != nil || i < 0 || !bytes.HasPrefix(b[i:], []byte(") T")) {
			return false
		}
	}
	return len(threads) > 0
}

// returns fails the test if f has not come back long after its deadline.
func returns(t *testing.T, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(short + patience):
		t.Fatal("it hangs")
		return nil
	}
}

func status(t *testing.T, r stackmend.Result, code string) stackmend.Status {
	t.Helper()
	worst := stackmend.OK
	for _, f := range r.Findings {
		if f.Code == code {
			worst = stackmend.Worst(worst, f.Status)
		}
	}
	return worst
}

// TestMonitorFrozen: nothing hangs, and nothing is said to be well.
func TestMonitorFrozen(t *testing.T) {
	c := cluster(t)
	lib := librarian(t, c, "", "") // connected before it froze
	freeze(t, c, "mon.a")
	// Side by side: after half a minute the monitor would give the manager up.
	t.Run("group", func(t *testing.T) {
		for name, to := range map[string]ceph.Commander{"cli": cli(c), "librados": lib} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				monitorFrozen(t, to)
			})
		}
	})
}

func monitorFrozen(t *testing.T, to ceph.Commander) {
	err := returns(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), short)
		defer cancel()
		_, err := ceph.Ask(ctx, to, ceph.Command{To: ceph.Target{Kind: ceph.KindMon}, Prefix: "status"})
		return err
	})
	if !errors.Is(err, stackmend.ErrUncertain) || !errors.Is(err, stackmend.ErrTimeout) {
		t.Error(err)
	}
	var s *ceph.Snapshot
	err = returns(t, func() (err error) {
		s, err = ceph.Observe(t.Context(), to, ceph.Options{Timeout: short})
		return err
	})
	if err == nil {
		t.Error("observed a frozen cluster")
	}
	if r := ceph.Check(ceph.Observed{Cluster: s}, ceph.Policy{}); r.Status != stackmend.Unknown {
		t.Errorf("%+v", r)
	}
}

// TestManagerFrozen: the monitors answer, the manager's numbers are Unknown,
// and that it does not answer is a finding.
func TestManagerFrozen(t *testing.T) {
	c := cluster(t)
	lib := librarian(t, c, "", "")
	freeze(t, c, "mgr.x")
	s, err := ceph.Observe(within(t, 2*patience), lib, ceph.Options{Timeout: short, NoDaemons: true})
	must(t, err)
	r := ceph.Check(ceph.Observed{Cluster: s}, ceph.Policy{})
	if got := status(t, r, ceph.CodeMgr); got != stackmend.Fail {
		t.Errorf("mgr-unavailable is %v: %+v", got, s.Unseen)
	}
	if got := status(t, r, ceph.CodePGLogLarge); got != stackmend.Unknown {
		t.Errorf("pg-log-large without a pg dump is %v", got)
	}
	if s.Epoch == 0 || !s.Recovery.Seen {
		t.Error("what the monitors know was not seen")
	}
}

// TestManagerGone: the monitors find out, and so do we.
func TestManagerGone(t *testing.T) {
	c := cluster(t)
	lib := librarian(t, c, "", "")
	must(t, c.End("mgr.x", syscall.SIGTERM))
	t.Cleanup(func() {
		must(t, c.Start("mgr.x"))
		must(t, c.Healthy())
	})
	_, err := c.Ceph("mgr", "fail", "x") // or the monitors wait for its beacon
	must(t, err)
	s, err := ceph.Observe(within(t, 2*patience), lib, ceph.Options{Timeout: short, NoDaemons: true})
	must(t, err)
	r := ceph.Check(ceph.Observed{Cluster: s}, ceph.Policy{})
	if got := status(t, r, ceph.CodeMgr); got != stackmend.Fail || s.Mgr.Available {
		t.Errorf("mgr-unavailable is %v, %+v", got, s.Mgr)
	}
}

// TestOSDFrozen: a frozen OSD accepts and never answers, on its socket too.
func TestOSDFrozen(t *testing.T) {
	c := cluster(t)
	lib := librarian(t, c, "", "")
	_, err := c.Ceph("osd", "set", "nodown") // it stays up in the map
	must(t, err)
	t.Cleanup(func() {
		_, err := c.Ceph("osd", "unset", "nodown")
		must(t, err)
	})
	freeze(t, c, "osd.1")
	for name, to := range map[string]ceph.Commander{"cli": cli(c), "librados": lib, "socket": localCluster(t, c, lib)} {
		err := returns(t, func() error {
			_, err := ceph.Ask(within(t, short), to, ceph.Command{To: ceph.ToOSD(1), Prefix: "dump_mempools"})
			return err
		})
		if !errors.Is(err, stackmend.ErrUncertain) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := ceph.Observe(within(t, 2*patience), lib, ceph.Options{Timeout: short})
	must(t, err)
	if o := s.OSD(1); o.Daemon != nil || s.OSD(0).Daemon == nil {
		t.Errorf("osd.1 %+v, osd.0 %+v", o.Daemon, s.OSD(0).Daemon)
	}
	r := ceph.Check(ceph.Observed{Cluster: s}, ceph.Policy{})
	if got := status(t, r, ceph.CodeMemory); got != stackmend.Unknown {
		t.Errorf("osd-memory is %v", got)
	}
	if got := status(t, r, ceph.CodeFlags); got != stackmend.Fail {
		t.Errorf("flags-set under nodown is %v", got)
	}
}

// TestReadOnly: what a key may not see is Unknown and says so.
func TestReadOnly(t *testing.T) {
	c := cluster(t)
	keyring, err := c.MakeKey("watch", "mon", "allow r", "mgr", "allow r")
	must(t, err)
	for name, to := range map[string]ceph.Commander{
		"cli": ceph.CLI{Conf: c.Conf, ID: "watch", Keyring: keyring}, "librados": librarian(t, c, "watch", keyring),
	} {
		_, err := ceph.Ask(within(t, patience), to, ceph.Command{To: ceph.ToOSD(0), Prefix: "dump_mempools"})
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := observe(t, librarian(t, c, "watch", keyring), ceph.Options{})
	if s.Epoch == 0 || !s.PGs.Seen {
		t.Errorf("a read-only key sees too little: %+v", s.Unseen)
	}
	if !slices.ContainsFunc(s.Unseen, func(u ceph.Unseen) bool { return u.Source == "osd.0.dump_mempools" && u.Denied }) {
		t.Errorf("unseen: %+v", s.Unseen)
	}
	if r := ceph.Check(ceph.Observed{Cluster: s}, ceph.Policy{}); status(t, r, ceph.CodeMemory) != stackmend.Unknown {
		t.Errorf("%+v", r)
	}
	_, err = ceph.Ask(within(t, patience), ceph.CLI{Conf: c.Conf, ID: "nobody", Keyring: keyring}, ceph.Command{To: ceph.Target{Kind: ceph.KindMon}, Prefix: "status"})
	if err == nil {
		t.Error("a user without a key was answered")
	}
}

// TestKilledOSD: killed twice, the OSD flaps, and its end is not taken for a
// restart.
func TestKilledOSD(t *testing.T) {
	c := cluster(t)
	lib := librarian(t, c, "", "")
	must(t, c.Rados("-p", "test", "bench", "1", "write", "-b", "4096", "--no-cleanup"))
	for range 2 {
		must(t, c.End("osd.2", syscall.SIGKILL))
		must(t, c.Until("osd.2 down", func(s labceph.Status) bool { return s.OSDMap.Up == labceph.OSDs-1 }))
		must(t, c.Start("osd.2"))
		must(t, c.Healthy())
	}
	s := observe(t, lib, ceph.Options{})
	file, err := os.Open(filepath.Join(c.Dir, "log", "cluster.log"))
	must(t, err)
	defer file.Close()
	log, err := ceph.ReadClusterLog(file)
	must(t, err)
	r := ceph.Check(ceph.Observed{Cluster: s, ClusterLog: log}, ceph.Policy{})
	i := slices.IndexFunc(r.Findings, func(f stackmend.Finding) bool { return f.Code == ceph.CodeFlapping })
	if i < 0 {
		t.Fatalf("no flapping OSD in %+v", log)
	}
	f := r.Findings[i]
	if f.Subject != "osd.2" || !strings.Contains(f.Message, "ended without a word") {
		t.Errorf("%+v", f)
	}
	var refused, disorderly bool
	for _, e := range f.Evidence {
		refused = refused || e.Source == "cluster log" && strings.Contains(e.Value, "refused")
		disorderly = disorderly || strings.Contains(e.Value, "not orderly")
	}
	if !refused || !disorderly {
		t.Errorf("evidence: %+v", f.Evidence)
	}
}

// TestDegraded: an OSD down and in, noout set: copies are missing, nothing
// moves, and the flag is named.
func TestDegraded(t *testing.T) {
	c := cluster(t)
	lib := librarian(t, c, "", "")
	_, err := c.Ceph("osd", "set", "noout")
	must(t, err)
	must(t, c.End("osd.0", syscall.SIGTERM))
	t.Cleanup(func() {
		_, err := c.Ceph("osd", "unset", "noout")
		must(t, err)
		must(t, c.Start("osd.0"))
		must(t, c.Healthy())
	})
	must(t, c.Rados("-p", "test", "bench", "1", "write", "-b", "4096", "--no-cleanup"))
	var s *ceph.Snapshot
	must(t, c.Until("degraded and settled", func(labceph.Status) bool {
		s = observe(t, lib, ceph.Options{NoDaemons: true})
		return s.Recovery.Degraded > 0 && s.PGs.Degraded > 0 && settled(s)
	}))
	r := ceph.Check(ceph.Observed{Cluster: s}, ceph.Policy{})
	if got := status(t, r, ceph.CodeFlags); got != stackmend.Warn {
		t.Errorf("flags-set is %v", got)
	}
	if got := status(t, r, ceph.CodeRecoveryBlocked); got != stackmend.Warn {
		t.Errorf("recovery-blocked is %v: %+v", got, r.Findings)
	}
}

// settled reports whether the PGs agreed on what to do without the OSD that
// went: until then some are stale or peering for a moment.
func settled(s *ceph.Snapshot) bool {
	for _, states := range []map[string]int{s.PGs.States, s.Recovery.States} {
		for state := range states {
			if !strings.HasPrefix(state, "active") || strings.Contains(state, "stale") {
				return false
			}
		}
	}
	return len(s.PGs.States) > 0
}
