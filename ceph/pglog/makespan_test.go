package pglog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/pglog"
	"github.com/stackmend/stackmend/ceph/supervisor"
)

// A fleet is a cluster of three hosts with four OSDs in each, each with one
// placement group that it shares with its likes on the other hosts. It costs no
// time but that of the tool, whose trims take as long as they are told to and
// wait for their peers.
type fleet struct {
	dir, machine string
	tool         string

	mu   sync.Mutex
	down map[int]bool
	held map[int]bool
}

const perHost, fleetSize = 4, 12

// fleetTool is ceph-objectstore-tool, and notes what it was started for.
const fleetTool = `#!/bin/sh
for a; do case $prev in --data-path) d=$a;; --op) op=${op:-$a};; esac; case $a in --version) op=version;; esac; prev=$a; done
read -r tail <$d/tail; read -r pg <$d/pg
case $op in
version) echo "ceph version 16.2.15 (x) pacific (stable)";;
list-pgs) echo $pg;;
info) echo "{\"last_update\":\"7'300\",\"last_complete\":\"7'300\",\"last_backfill\":\"MAX\"}";;
log) printf "{\"pg_log_t\":{\"head\":\"7'300\",\"tail\":\"7'$tail\",\"log\":["; i=$tail
	while [ $i -lt 300 ]; do i=$((i+1)); printf "{\"version\":\"7'$i\"}"; [ $i = 300 ] || printf ,; done; echo "],\"dups\":[]}}";;
trim-pg-log) touch $d/began; n=0
	for p in $(cat $d/peers); do while [ ! -e $p/began ]; do sleep 0.1; n=$((n+1)); [ $n -lt 300 ] || exit 1; done; done
	sleep $(cat $d/takes); echo 200 >$d/tail;;
esac`

func newFleet(t testing.TB, takes func(osd int) time.Duration) *fleet {
	f := &fleet{dir: t.TempDir(), machine: must2(os.Hostname()), down: map[int]bool{}, held: map[int]bool{}}
	f.tool = filepath.Join(f.dir, "tool")
	must(t, os.WriteFile(f.tool, []byte(fleetTool), 0o700))
	for id := range fleetSize {
		dir := filepath.Join(f.dir, strconv.Itoa(id))
		must(t, os.Mkdir(dir, 0o700))
		for name, text := range map[string]string{"whoami": strconv.Itoa(id), "ceph_fsid": "f", "tail": "0",
			"pg": "1." + strconv.Itoa(id%perHost), "takes": fmt.Sprint(takes(id).Seconds()), "peers": ""} {
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600))
		}
	}
	return f
}

func (f *fleet) config() pglog.Config {
	return pglog.Config{Cluster: f, Supervisor: f, Tool: pglog.Tool{Command: []string{f.tool}, Data: filepath.Join(f.dir, "{id}")}}
}

// Command answers what the map and the manager would.
func (f *fleet) Command(_ context.Context, c ceph.Command) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	type object = map[string]any
	var osds, nodes []object
	for id := range fleetSize {
		up := 1
		if f.down[id] {
			up = 0
		}
		osds = append(osds, object{"osd": id, "uuid": fmt.Sprint("u", id), "up": up, "up_from": 4})
		nodes = append(nodes, object{"id": id, "name": fmt.Sprint("osd.", id), "type": "osd"})
	}
	for h := range fleetSize / perHost {
		nodes = append(nodes, object{"id": -2 - h, "name": fmt.Sprint("host", h), "type": "host", "type_id": 1, "children": []int{h * perHost, h*perHost + 1, h*perHost + 2, h*perHost + 3}})
	}
	answer, ok := map[string]any{
		"osd dump":            object{"epoch": 9, "fsid": "f", "flags": "noout", "pools": []object{{"pool": 1, "type": 1, "size": 3, "min_size": 2}}, "osds": osds},
		"mgr dump":            object{"available": true},
		"status":              object{"pgmap": object{"pgs_by_state": []object{{"state_name": "active+clean", "count": perHost}}}},
		"osd metadata":        object{"ceph_version": "ceph version 16.2.15 (x) pacific (stable)", "hostname": f.machine},
		"osd tree":            object{"nodes": nodes},
		"osd crush rule dump": []object{{"rule_id": 0, "steps": []object{{"op": "chooseleaf_firstn", "type": "host"}}}},
		"query":               object{"state": "active+undersized", "info": object{"last_update": "7'300"}},
	}[c.Prefix]
	switch c.Prefix {
	case "pg ls-by-osd":
		answer, ok = object{"pg_ready": true, "pg_stats": []object{f.pg(c.Args[0].Value.(int) % perHost)}}, true
	case "osd ok-to-stop":
		var ids []int
		for _, text := range c.Args[0].Value.([]string) {
			id, _ := strconv.Atoi(text)
			ids = append(ids, id)
		}
		answer, ok = object{"ok_to_stop": true, "osds": ids, "num_not_ok_pgs": 0}, true
	}
	if !ok {
		return nil, ceph.Failed(c, 22, "not answered here")
	}
	body, err := json.Marshal(answer)
	return ceph.Answer(body, nil), err
}

// pg is a placement group as the manager knows it.
func (f *fleet) pg(n int) map[string]any {
	state, acting := "active+clean", []int{}
	for id := n; id < fleetSize; id += perHost {
		if f.down[id] {
			state = "active+undersized+degraded"
			continue
		}
		acting = append(acting, id)
	}
	return map[string]any{"pgid": fmt.Sprint("1.", n), "state": state, "acting": acting, "reported_epoch": 9, "log_size": 300}
}

func (f *fleet) State(_ context.Context, osd int) (supervisor.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return supervisor.State{Unit: "u", Running: !f.down[osd], PID: 1, Held: f.held[osd], Respawn: "always", StopTimeout: supervisor.Forever}, nil
}

func (f *fleet) Do(_ context.Context, c supervisor.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch c.Action {
	case supervisor.Hold, supervisor.Release:
		f.held[c.OSD] = c.Action == supervisor.Hold
	case supervisor.Stop, supervisor.Start:
		f.down[c.OSD] = c.Action == supervisor.Stop
	}
	return nil
}

// trim trims all of it.
func (f *fleet) trim(t testing.TB) stackmend.Result {
	s, err := pglog.Observe(ctx(t), f.config(), pglog.Options{All: true})
	must(t, err)
	p := pglog.Plan(s, pglog.Policy{MaxEntries: 100, Active: true})
	if len(p.Steps) != fleetSize*4 {
		t.Fatalf("%+v", p)
	}
	r, err := stackmend.Run(ctx(t), p, pglog.NewApplier(f.config()), stackmend.Options{Mode: stackmend.Apply, Parallel: perHost, MaxWait: time.Minute})
	must(t, err)
	return r
}

// span is when something was done to an OSD.
type span struct{ from, to time.Time }

func (s span) meets(o span) bool { return s.from.Before(o.to) && o.from.Before(s.to) }

// spans are from the stop of each OSD to its return, and those of its trim.
func spans(r stackmend.Result) (away, trims map[string]span) {
	away, trims = map[string]span{}, map[string]span{}
	for _, o := range r.Outcomes {
		s := away[o.Step.Target]
		switch o.Step.Verb {
		case "stop-osd":
			s.from = o.Started
		case "start-osd":
			s.to = o.Finished
		case "trim-pg-logs":
			trims[o.Step.Target] = span{o.Started, o.Finished}
		}
		away[o.Step.Target] = s
	}
	return away, trims
}

// The canary goes alone, then the OSDs of each host all at once, and those of
// two hosts never: so the whole takes as long as the slowest of each. A trim
// here does not come to its end before all of its host have begun.
func TestMakespan(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(int) time.Duration { return 0 })
	for id := 1; id < fleetSize; id++ {
		peers := ""
		for p := id - id%perHost; p < id-id%perHost+perHost; p++ {
			if p > 0 {
				peers += filepath.Join(f.dir, strconv.Itoa(p)) + " "
			}
		}
		must(t, os.WriteFile(filepath.Join(f.dir, strconv.Itoa(id), "peers"), []byte(peers), 0o600))
	}
	away, _ := spans(f.trim(t))
	for a := range fleetSize {
		for b := a + 1; b < fleetSize; b++ {
			if (a == 0 || a/perHost != b/perHost) && away[osd(a)].meets(away[osd(b)]) {
				t.Errorf("%s and %s were away together", osd(a), osd(b))
			}
		}
	}
}

// BenchmarkMakespan tells how long the whole takes beside what the tool took for
// the canary and for the slowest OSD of each host, as x-slowest.
func BenchmarkMakespan(b *testing.B) {
	takes := func(osd int) time.Duration { // host by host another is the slowest
		if osd%perHost == osd/perHost {
			return 1500 * time.Millisecond
		}
		return time.Duration(800+50*osd) * time.Millisecond
	}
	var took, ideal time.Duration
	for b.Loop() {
		f := newFleet(b, takes)
		var runs func() []toolRun
		f.tool, runs = timed(b, f.tool)
		r := f.trim(b)
		each := toolTime(r, runs(), func(osd string) string { return filepath.Join(f.dir, strings.TrimPrefix(osd, "osd.")) })
		took, ideal = took+r.Finished.Sub(r.Started), ideal+each["osd.0"]
		for h := range fleetSize / perHost {
			slowest := time.Duration(0)
			for id := max(1, h*perHost); id < (h+1)*perHost; id++ {
				slowest = max(slowest, each[osd(id)])
			}
			ideal += slowest
		}
	}
	b.ReportMetric(took.Seconds()/ideal.Seconds(), "x-slowest")
}
