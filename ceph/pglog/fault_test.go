package pglog_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/pglog"
	"github.com/stackmend/stackmend/ceph/supervisor"
	"github.com/stackmend/stackmend/internal/appliertest"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

// watched is a cluster that tells which of its answers were errors.
type watched struct {
	ceph.Commander
	mu     sync.Mutex
	failed func(prefix string)
}

// Command waits no longer than it must while an error is waited for.
func (w *watched) Command(ctx context.Context, c ceph.Command) (io.ReadCloser, error) {
	w.mu.Lock()
	if w.failed != nil {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, 4*time.Second)
		defer cancel()
	}
	w.mu.Unlock()
	body, err := ceph.Ask(ctx, w.Commander, c)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && w.failed != nil {
		w.failed(c.Prefix)
	}
	return ceph.Answer(body, err), nil
}

// once calls f at the next answer that is an error, if it is one of the
// command, or of any if that is empty.
func (w *watched) once(prefix string, f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = func(of string) {
		if prefix == "" || prefix == of {
			w.failed = nil
			f()
		}
	}
}

// realFaults is a plan for two OSDs of a real cluster, and what may go wrong: no manager before the first is stopped; another OSD goes down, and it may
// not be stopped any more; when it may again it does not stop; a monitor freezes
// while it is trimmed; then it does not start; the run is taken up again, and the manager
// dies before the OSD is settled; and somebody starts the second while it is
// trimmed.
func realFaults(t *testing.T) {
	c := cluster(t)
	fill(t, c, "few")
	must(t, clean(c))
	w := &watched{Commander: ceph.CLI{Conf: c.Conf, Keyring: c.Admin}}
	cfg := pglog.Config{Cluster: w, Tool: pglog.Tool{Data: filepath.Join(c.Dir, "osd.{id}")},
		Supervisor: supervisor.Process{Start: []string{"ceph-osd", "-i", "{id}", "-c", c.Conf}, Args: []string{c.Conf}}}
	daemonize(t, c, cfg, 0, 1)
	both := func() *stackmend.Plan {
		p := plan(t, cfg, pglog.Policy{MaxEntries: 100, Active: true}, 0, 1)
		if len(p.Steps) != 2+2*4 {
			t.Fatalf("%+v", p)
		}
		return p
	}
	p := both()
	file := filepath.Join(t.TempDir(), "journal")
	noManager(t, c, cfg, p)
	doesNotStop(t, c, cfg, p)
	doesNotStart(t, c, cfg, w, both(), file) // for the first was restarted
	startedBetween(t, c, cfg, w, file)
}

// daemonize takes OSDs from their respawners: the supervisor alone starts them.
func daemonize(t *testing.T, c *labceph.Cluster, cfg pglog.Config, ids ...int) {
	t.Helper()
	do := func(id int, a supervisor.Action) {
		must(t, cfg.Supervisor.Do(ctx(t), supervisor.Change{OSD: id, Action: a}))
	}
	for _, id := range ids {
		must(t, os.WriteFile(c.HoldFile(id), nil, 0o600))
		do(id, supervisor.Stop)
		must(t, c.End(osd(id), syscall.SIGKILL))
		do(id, supervisor.Start)
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			must(t, cfg.Supervisor.Do(ctx, supervisor.Change{OSD: id, Action: supervisor.Stop}))
			must(t, os.Remove(c.HoldFile(id)))
			must(t, c.Respawn(id))
			must(t, clean(c))
		})
	}
	must(t, clean(c))
}

func osd(id int) string { return "osd." + strconv.Itoa(id) }

// run carries out a plan, or what is left of it, by a journal.
func run(t *testing.T, cfg pglog.Config, p *stackmend.Plan, file string, wait time.Duration, on func(stackmend.Event)) (stackmend.Result, map[string]stackmend.State, error) {
	t.Helper()
	journal, err := stackmend.OpenJournal(file)
	must(t, err)
	defer journal.Close()
	r, err := stackmend.Run(ctx(t), p, pglog.NewApplier(cfg), stackmend.Options{Mode: stackmend.Apply, Journal: journal,
		MaxWait: wait, GuardTimeout: time.Minute, OnEvent: on})
	states := map[string]stackmend.State{}
	for _, o := range r.Outcomes {
		states[o.Step.String()] = o.State
	}
	return r, states, err
}

// is fails the test unless so many OSDs are up and noout is as it should be.
func is(t *testing.T, c *labceph.Cluster, up int, noout bool) {
	t.Helper()
	must(t, c.Until(strconv.Itoa(up)+" up", func(s labceph.Status) bool { return s.OSDMap.Up == up }))
	if out, err := c.Ceph("osd", "dump"); err != nil || strings.Contains(string(out), "noout") != noout {
		t.Errorf("noout, which should be %t: %s %v", noout, out, err)
	}
}

// noManager: nobody says that the OSD may be stopped. It is not.
func noManager(t *testing.T, c *labceph.Cluster, cfg pglog.Config, p *stackmend.Plan) {
	t.Helper()
	r, states, err := run(t, cfg, p, filepath.Join(t.TempDir(), "journal"), time.Second, func(e stackmend.Event) {
		if e.Step.Verb == "hold-respawn" && e.Phase == stackmend.PhaseDo && !e.Ended {
			must(t, c.End("mgr.x", syscall.SIGKILL))
		}
	})
	if err == nil || !strings.Contains(err.Error(), "may stop") || states["hold-respawn osd.0"] != stackmend.Reverted || states["stop-osd osd.0"] != stackmend.Refused || r.Status == stackmend.OK {
		t.Errorf("without a manager: %v\n%s", err, appliertest.Describe(r))
	}
	is(t, c, 3, false)
	must(t, c.Start("mgr.x"))
}

// doesNotStop: ok-to-stop is yes when the plan is made, and no once another OSD
// of the acting set is down: the first is held and not stopped. It is when that
// is back, and takes no notice for it is frozen. As the run gives up it wakes and
// ends after all, which must not be taken for an OSD that is back.
func doesNotStop(t *testing.T, c *labceph.Cluster, cfg pglog.Config, p *stackmend.Plan) {
	t.Helper()
	other, refused, frozen := config(c).Supervisor, "", 0
	do := func(a supervisor.Action) { must(t, other.Do(ctx(t), supervisor.Change{OSD: 2, Action: a})) }
	b, err := json.Marshal(p)
	must(t, err)
	var brief stackmend.Plan
	must(t, json.Unmarshal(b, &brief))
	for i := range brief.Steps {
		if brief.Steps[i].Verb == "stop-osd" {
			brief.Steps[i].Timeout = 14 * time.Second
		}
	}
	r, states, err := run(t, cfg, &brief, filepath.Join(t.TempDir(), "journal"), 2*time.Minute, func(e stackmend.Event) {
		switch at := e.Step.String() + " " + string(e.Phase); {
		case at == "hold-respawn osd.0 do" && !e.Ended:
			do(supervisor.Hold)
			do(supervisor.Stop)
		case e.Step.String() == "stop-osd osd.0" && e.Guard == "may stop" && e.Err != nil && refused == "":
			refused = e.Err.Error()
			is(t, c, 2, true)
			do(supervisor.Release)
		case at == "stop-osd osd.0 do" && !e.Ended:
			st, err := cfg.Supervisor.State(ctx(t), 0)
			must(t, err)
			frozen = st.PID
			must(t, syscall.Kill(frozen, syscall.SIGSTOP))
		case at == "stop-osd osd.0 revert" && !e.Ended:
			must(t, syscall.Kill(frozen, syscall.SIGCONT))
		}
	})
	if !strings.Contains(refused, "placement group") || frozen == 0 {
		t.Errorf("while another OSD was down: %q, then frozen: %d", refused, frozen)
	}
	if err == nil || !strings.Contains(err.Error(), "was told to stop, has not, and may yet") || states["stop-osd osd.0"] != stackmend.Reverted || states["hold-respawn osd.1"] != stackmend.NotBegun || r.Status == stackmend.OK {
		t.Errorf("an OSD that does not stop: %v\n%s", err, appliertest.Describe(r))
	}
	st, err := cfg.Supervisor.State(ctx(t), 0)
	if err != nil || !st.Running || st.PID == frozen {
		t.Errorf("%+v, %v: process %d was frozen", st, err, frozen)
	}
	is(t, c, 3, false)
	must(t, clean(c))
}

// doesNotStart: the monitor is frozen until a question to it was in vain, and
// the trim goes on. Then the OSD's key is gone: the result names it, the next
// is not touched, and noout stays for it.
func doesNotStart(t *testing.T, c *labceph.Cluster, cfg pglog.Config, w *watched, p *stackmend.Plan, file string) {
	t.Helper()
	key := filepath.Join(c.Dir, "keyring.osd.0")
	frozen := false
	r, states, err := run(t, cfg, p, file, 2*time.Minute, func(e stackmend.Event) {
		switch {
		case e.Unit == "PGs" && e.Done == 1 && !frozen:
			frozen = true
			w.once("", func() { must(t, c.Signal("mon.a", syscall.SIGCONT)) })
			must(t, c.Signal("mon.a", syscall.SIGSTOP))
		case e.Step.Verb == "start-osd" && e.Phase == stackmend.PhaseDo && !e.Ended:
			must(t, os.Rename(key, key+".gone"))
		}
	})
	if !frozen || states["trim-pg-logs osd.0"] != stackmend.Done {
		t.Errorf("a monitor that was frozen for a while: %v\n%s", err, appliertest.Describe(r))
	}
	if err == nil || !strings.Contains(err.Error(), "group osd.0 stays open") || !strings.Contains(err.Error(), "ceph-osd -i 0") || r.Status == stackmend.OK ||
		states["hold-respawn osd.1"] != stackmend.NotBegun || states["stop-osd osd.1"] != stackmend.NotBegun {
		t.Errorf("an OSD that does not start: %v\n%s", err, appliertest.Describe(r))
	}
	is(t, c, 2, true)
	must(t, os.Rename(key+".gone", key))
}

// startedBetween takes the run up: the first OSD starts, and is not taken to be
// settled before a manager says so again. The second is started by somebody
// after its first placement group: it does not count as trimmed.
func startedBetween(t *testing.T, c *labceph.Cluster, cfg pglog.Config, w *watched, file string) {
	t.Helper()
	dead, back, foreign := false, false, false
	r, states, err := run(t, cfg, nil, file, 2*time.Minute, func(e stackmend.Event) {
		switch {
		case e.Step.String() == "start-osd osd.0" && e.Phase == stackmend.PhaseDo && !e.Ended:
			dead = true
			w.once("pg ls-by-osd", func() { back = true; must(t, c.Start("mgr.x")) })
			must(t, c.End("mgr.x", syscall.SIGKILL))
		case e.Step.String() == "start-osd osd.0" && e.Phase == stackmend.PhaseDo && e.Err == nil && !back:
			t.Error("osd.0 was taken to be settled without a manager")
		case e.Step.String() == "trim-pg-logs osd.1" && e.Unit == "PGs" && e.Done == 1:
			foreign = true
			must(t, exec.CommandContext(t.Context(), "ceph-osd", "-i", "1", "-c", c.Conf).Run())
			must(t, c.Until("started by somebody", func(s labceph.Status) bool { return s.OSDMap.Up == 3 }))
		}
	})
	if !dead || states["start-osd osd.0"] != stackmend.Done {
		t.Errorf("taken up again: %v\n%s", err, appliertest.Describe(r))
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	// Where the store is locked the tool says it in one of two ways.
	locked := strings.Contains(text, "failed to lock") || strings.Contains(text, "Mount failed with '(11)")
	if !foreign || !locked || !strings.Contains(text, "osd.1 runs (process") || states["trim-pg-logs osd.1"] != stackmend.Reverted || r.Status == stackmend.OK {
		t.Errorf("started by somebody: %v\n%s", err, appliertest.Describe(r))
	}
	is(t, c, 3, false)
}
