package pglog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/pglog"
	"github.com/stackmend/stackmend/ceph/supervisor"
	"github.com/stackmend/stackmend/internal/appliertest"
)

// world is a cluster in a folder of small files, for what would take hours with
// a real one: a run that is killed at each of its events.
type world string

func (w world) get(name string) string {
	b, err := os.ReadFile(filepath.Join(string(w), name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (w world) set(name, value string) error {
	path := filepath.Join(string(w), name)
	if err := os.WriteFile(path+".new", []byte(value+"\n"), 0o700); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Command answers as a cluster of one placement group on three OSDs would.
func (w world) Command(ctx context.Context, c ceph.Command) (io.ReadCloser, error) {
	if w.get("mon") == "frozen" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	up := 0
	if w.get("running") == "yes" {
		up = 1
	}
	body, ok := map[string]string{
		"osd dump": fmt.Sprintf(`{"epoch":9,"fsid":"f","flags":"%s","pools":[{"pool":1,"type":1,"size":3,"min_size":%s,"crush_rule":0,"flags_names":"%s"}],
			"crush_node_flags":{"h1":[%s]},"osds":[{"osd":1,"uuid":"%s","up":%d,"up_from":%s,"state":["exists"]}]}`,
			w.get("flags"), w.get("min_size"), w.get("pool"), w.get("node"), w.get("uuid"), up, w.get("up_from")),
		"mgr dump":            fmt.Sprintf(`{"available":%t}`, w.get("mgr") != "gone"),
		"status":              `{"pgmap":{"pgs_by_state":[{"state_name":"active+clean","count":1}]}}`,
		"osd metadata":        fmt.Sprintf(`{"ceph_version":"ceph version 16.2.15 (x) pacific (stable)","hostname":"%s"}`, w.get("machine")),
		"osd tree":            `{"nodes":[{"id":-2,"name":"h1","type":"host","type_id":1,"children":[1]},{"id":1,"name":"osd.1","type":"osd"}]}`,
		"osd crush rule dump": `[{"rule_id":0,"steps":[{"op":"take"},{"op":"chooseleaf_firstn","type":"host"}]}]`,
		"pg ls-by-osd":        `{"pg_ready":true,"pg_stats":[{"pgid":"1.0","state":"` + w.get("state") + `","acting":[0,1,2],"reported_epoch":9,"log_size":1000}]}`,
		"osd ok-to-stop":      w.get("ok-to-stop"),
		"orch status":         fmt.Sprintf(`{"available":%t,"backend":"cephadm","workers":10,"paused":%t}`, w.get("orch") != "lost", w.get("orch") == "paused"),
		"query":               fmt.Sprintf(`{"state":"active+undersized","info":{"last_update":"7'1000"},"peer_info":[{"peer":"2","last_update":"%s"}]}`, w.get("peer")),
	}[c.Prefix]
	if flags := map[string]string{"osd set": "noout", "osd unset": "sortbitwise"}[c.Prefix]; flags != "" {
		return ceph.Answer(nil, w.set("flags", flags)), nil
	}
	if orch := map[string]string{"orch pause": "paused", "orch resume": "at work"}[c.Prefix]; orch != "" {
		return ceph.Answer(nil, w.set("orch", orch)), nil
	}
	if !ok {
		return nil, ceph.Failed(c, 22, "not answered here")
	}
	return ceph.Answer([]byte(body), nil), nil
}

// State and Do are the supervisor. One that stops late ends when it was looked
// at some more times, and until then there is nothing to start.
func (w world) State(context.Context, int) (supervisor.State, error) {
	if left, err := strconv.Atoi(w.get("late")); err == nil && left > 0 {
		running := map[bool]string{true: "yes", false: "no"}[left > 1]
		if err := errors.Join(w.set("late", strconv.Itoa(left-1)), w.set("running", running)); err != nil {
			return supervisor.State{}, err
		}
	}
	st := supervisor.State{Unit: "one", Running: w.get("running") == "yes", Held: w.get("held") == "yes", Respawn: "always", StopTimeout: supervisor.Forever}
	if st.Running {
		st.PID = 1
	}
	return st, nil
}

func (w world) Do(ctx context.Context, c supervisor.Change) error {
	late := w.get("late") > "0"
	switch {
	case c.Action == supervisor.Stop && w.get("stops-as") == "late":
		<-ctx.Done()
		return errors.Join(w.set("late", "5"), ctx.Err())
	case c.Action == supervisor.Start && late:
		return errors.Join(w.set("late", "0"), w.set("running", "no"))
	}
	switch c.Action {
	case supervisor.Hold:
		return w.set("held", "yes")
	case supervisor.Release:
		return w.set("held", "no")
	case supervisor.Stop:
		return w.set("running", w.get("stops-as"))
	case supervisor.Start:
		return w.set("running", w.get("starts-as"))
	}
	return stackmend.ErrRefused
}

// script is the tool.
const script = `#!/bin/sh
d=%s; echo "$*" >>$d/starts; read -r mode <$d/mode; read -r tail <$d/tail; read -r running <$d/running; read -r complete <$d/complete; read -r version <$d/version
for a; do case $a in --version) echo "ceph version $version (x) pacific (stable)"; exit;; --osd_max*=*) max=${a#*=};; esac; done
[ "$running" = yes ] && { echo "_lock_fsid failed to lock" >&2; exit 1; }
case "$*$mode" in *"--op log"*freezes) echo frozen >$d/mon;; *"--op info"*started) echo yes >$d/running;; esac
case "$*" in
*list-pgs*) echo 1.0;;
*"--op info"*) echo "{\"last_update\":\"7'1000\",\"last_complete\":\"$complete\",\"last_backfill\":\"MAX\"}";;
*"--op log"*) awk -v t=$tail 'BEGIN{printf "{\"pg_log_t\":{\"head\":\"7'\''1000\",\"tail\":\"7'\''%%d\",\"log\":[",t;for(i=t+1;i<=1000;i++)printf "%%s{\"version\":\"7'\''%%d\"}",(i>t+1?",":""),i;print "],\"dups\":[]}}"}';;
*trim-pg-log*)
	case $mode in lies) echo "Finished trimming pg log"; exit 0;; hangs) sleep 600;; esac
	[ $mode = more ] && max=$((max-1))
	echo $((1000-max)) >$d/tail.new; mv $d/tail.new $d/tail; echo "Finished trimming pg log"; [ $mode = late ] && sleep 600;;
esac
exit 0`

var policy = pglog.Policy{MaxEntries: 400, Active: true}

func (w world) config() pglog.Config {
	return pglog.Config{Cluster: w, Supervisor: w, Tool: pglog.Tool{Command: []string{filepath.Join(string(w), "tool")}, Data: string(w), Timeout: 30 * time.Second}}
}

// orchestrated is the world with an orchestrator, which is to be paused.
func (w world) orchestrated() pglog.Config {
	c := w.config()
	c.Orchestrated = true
	return c
}

func newWorld(t testing.TB, dir string) world {
	w := world(dir)
	for name, value := range map[string]string{"flags": "sortbitwise", "running": "yes", "stops-as": "no", "starts-as": "yes", "held": "no", "tail": "0", "uuid": "u",
		"whoami": "1", "ceph_fsid": "f", "mode": "honest", "version": "16.2.15", "complete": "7'1000", "peer": "7'1000",
		"orch": "at work", "min_size": "2", "up_from": "4", "state": "active+clean",
		"machine":    must2(os.Hostname()),
		"ok-to-stop": `{"ok_to_stop":true,"osds":[1],"num_not_ok_pgs":0}`, "tool": fmt.Sprintf(script, dir)} {
		must(t, w.set(name, value))
	}
	return w
}

func (w world) world(plan *stackmend.Plan) appliertest.World {
	return appliertest.World{
		Applier: pglog.NewApplier(w.orchestrated()), Plan: plan,
		Look: func() (string, error) {
			return fmt.Sprint(w.get("flags"), " ", w.get("running"), " ", w.get("held"), " ", w.get("tail"), " ", w.get("orch")), nil
		},
		Spoil: func() error { return w.set("flags", "noout") },
	}
}

func TestApplier(t *testing.T) {
	appliertest.Run(t, appliertest.Suite{
		New: func(t testing.TB, dir string) appliertest.World {
			w := newWorld(t, dir)
			return w.world(plan(t, w.orchestrated(), policy, 1))
		},
		Open: func(_ testing.TB, dir string) appliertest.World { return world(dir).world(nil) },
	})
}

// What goes wrong is said, and leaves no OSD down and no flag set.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		set  [2]string
		want string
		tail string
	}{
		"a tool that lies":           {[2]string{"mode", "lies"}, "nothing was trimmed", "0"},
		"a tool that trims too much": {[2]string{"mode", "more"}, "the tail is", "601"},
		"a tool that hangs":          {[2]string{"mode", "hangs"}, "ended before its time", "0"},
		"a tool that answers late":   {[2]string{"mode", "late"}, "ended before its time", "600"},
		"another version":            {[2]string{"version", "16.2.14"}, "version", "0"},
		"another OSD's store":        {[2]string{"whoami", "2"}, "whoami", "0"},
		"another cluster's store":    {[2]string{"ceph_fsid", "g"}, "ceph_fsid", "0"},
		"started in between":         {[2]string{"mode", "started"}, "failed to lock", "0"},
		"no manager":                 {[2]string{"mgr", "gone"}, "no manager is available", "0"},
		"does not stop":              {[2]string{"stops-as", "yes"}, "runs", "0"},
		"stops late":                 {[2]string{"stops-as", "late"}, "has not, and may yet", "0"},
		"ok-to-stop says no":         {[2]string{"ok-to-stop", `{"ok_to_stop":false,"osds":[1],"num_not_ok_pgs":1}`}, "inactive", "0"},
		"ok-to-stop says nothing":    {[2]string{"ok-to-stop", ""}, "ok-to-stop", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, t.TempDir())
			p := plan(t, w.config(), policy, 1)
			for i := range p.Steps {
				p.Steps[i].Timeout = 5 * time.Second
			}
			must(t, w.set(c.set[0], c.set[1]))
			cfg := w.config()
			cfg.Tool.Timeout = 2 * time.Second
			r, err := stackmend.Run(t.Context(), p, pglog.NewApplier(cfg), stackmend.Options{Mode: stackmend.Apply})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q\n%s", err, c.want, appliertest.Describe(r))
			}
			if w.get("running") != "yes" || w.get("held") != "no" || w.get("flags") != "sortbitwise" || w.get("tail") != c.tail {
				t.Errorf("left behind: %s\n%v\n%s", must2(w.world(p).Look()), err, appliertest.Describe(r))
			}
		})
	}
}

// What cannot be put right is said, and is put right by a revert once it can.
func TestLeftDown(t *testing.T) {
	for name, c := range map[string]struct{ set, mend [2]string }{
		"does not start":      {[2]string{"starts-as", "no"}, [2]string{"starts-as", "yes"}},
		"the monitor freezes": {[2]string{"mode", "freezes"}, [2]string{"mon", "well"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, file := newWorld(t, t.TempDir()), filepath.Join(t.TempDir(), "journal")
			p := plan(t, w.config(), policy, 1)
			for i := range p.Steps {
				p.Steps[i].Timeout = 6 * time.Second
			}
			must(t, w.set(c.set[0], c.set[1]))
			journal, err := stackmend.OpenJournal(file)
			must(t, err)
			r, err := stackmend.Run(t.Context(), p, pglog.NewApplier(w.config()), stackmend.Options{Mode: stackmend.Apply, Journal: journal})
			must(t, journal.Close())
			if err == nil || !strings.Contains(err.Error(), "revert") || !strings.Contains(err.Error(), "osd.1") || r.Status == stackmend.OK {
				t.Errorf("%v\n%s", err, appliertest.Describe(r))
			}
			must(t, w.set("mode", "honest"))
			must(t, w.set(c.mend[0], c.mend[1]))
			journal, err = stackmend.OpenJournal(file)
			must(t, err)
			defer journal.Close()
			if r, err = stackmend.Run(t.Context(), nil, pglog.NewApplier(w.config()), stackmend.Options{Mode: stackmend.Revert, Journal: journal}); err != nil {
				t.Errorf("%v\n%s", err, appliertest.Describe(r))
			}
			if w.get("running") != "yes" || w.get("held") != "no" || w.get("flags") != "sortbitwise" {
				t.Error(must2(w.world(p).Look()))
			}
		})
	}
}

// A manager that says no at first and yes later is waited for.
func TestPatience(t *testing.T) {
	w := newWorld(t, t.TempDir())
	yes := w.get("ok-to-stop")
	p := plan(t, w.config(), policy, 1)
	must(t, w.set("ok-to-stop", `{"ok_to_stop":false,"osds":[1],"num_not_ok_pgs":1}`))
	waited := false
	r, err := stackmend.Run(t.Context(), p, pglog.NewApplier(w.config()), stackmend.Options{Mode: stackmend.Apply, MaxWait: time.Minute, OnEvent: func(e stackmend.Event) {
		if e.Guard == "may stop" && !waited {
			waited = true
			must(t, w.set("ok-to-stop", yes))
		}
	}})
	if err != nil || !waited || w.get("tail") != "600" || w.get("running") != "yes" {
		t.Errorf("%v, waited: %t, %s\n%s", err, waited, must2(w.world(p).Look()), appliertest.Describe(r))
	}
}

// A flag of another cluster is not taken away.
func TestRevertElsewhere(t *testing.T) {
	w := newWorld(t, t.TempDir())
	set := plan(t, w.config(), policy, 1).Steps[0]
	must(t, w.set("flags", "noout"))
	set.Assumes["fsid"] = "g"
	if err := pglog.NewApplier(w.config()).Revert(t.Context(), set); !errors.Is(err, stackmend.ErrRefused) || w.get("flags") != "noout" {
		t.Errorf("%v, flags %s", err, w.get("flags"))
	}
}

// The tool is started four times for a placement group that is trimmed, and not
// at all for one that the cluster keeps; entries are told as they go.
func TestStarts(t *testing.T) {
	for _, c := range []struct {
		active string
		want   string
		told   int64
	}{{"true", "version list-pgs log info trim-pg-log log", 600}, {"false", "version list-pgs", 0}} {
		w := newWorld(t, t.TempDir())
		p := plan(t, w.config(), policy, 1)
		trim := slices.IndexFunc(p.Steps, func(s stackmend.Step) bool { return s.Verb == "trim-pg-logs" })
		p.Steps[trim].Args["active"] = c.active
		must(t, os.Remove(filepath.Join(string(w), "starts")))
		told := int64(-1)
		_, err := stackmend.Run(t.Context(), p, pglog.NewApplier(w.config()), stackmend.Options{Mode: stackmend.Apply, OnEvent: func(e stackmend.Event) {
			if e.Unit == "rows" {
				told = e.Done
			}
		}})
		must(t, err)
		var ops []string
		for line := range strings.Lines(w.get("starts")) {
			_, op, _ := strings.Cut(line, "--op ")
			op, _, _ = strings.Cut(strings.TrimSpace(op), " ")
			if strings.Contains(line, "--version") {
				op = "version"
			}
			ops = append(ops, op)
		}
		if got := strings.Join(ops, " "); got != c.want || told != c.told {
			t.Errorf("active %s: %s, %d entries told; want %s, %d", c.active, got, told, c.want, c.told)
		}
	}
}

func must2(s string, err error) string {
	if err != nil {
		return err.Error()
	}
	return s
}

// What must not be trimmed is kept, and the run goes on.
func TestKept(t *testing.T) {
	for name, set := range map[string][2]string{
		"a peer before the new tail": {"peer", "7'599"}, "objects missing": {"complete", "7'900"}, "a primary that says nothing": {"peer", "\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, t.TempDir())
			p := plan(t, w.config(), policy, 1)
			must(t, w.set(set[0], set[1]))
			if _, err := stackmend.Run(t.Context(), p, pglog.NewApplier(w.config()), stackmend.Options{Mode: stackmend.Apply}); err != nil {
				t.Error(err)
			}
			if w.get("tail") != "0" || w.get("running") != "yes" || w.get("held") != "no" {
				t.Error(must2(w.world(p).Look()))
			}
		})
	}
}
