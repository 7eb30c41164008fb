package pglog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
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
// time but that of the tool, whose trims take as long as they are told to.
type fleet struct {
	dir, machine string

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
trim-pg-log) sleep $(cat $d/takes); echo 200 >$d/tail;;
esac`

func newFleet(t testing.TB, takes func(osd int) time.Duration) *fleet {
	f := &fleet{dir: t.TempDir(), machine: must2(os.Hostname()), down: map[int]bool{}, held: map[int]bool{}}
	must(t, os.WriteFile(filepath.Join(f.dir, "tool"), []byte(fleetTool), 0o700))
	for id := range fleetSize {
		dir := filepath.Join(f.dir, strconv.Itoa(id))
		must(t, os.Mkdir(dir, 0o700))
		for name, text := range map[string]string{"whoami": strconv.Itoa(id), "ceph_fsid": "f", "tail": "0",
			"pg": "1." + strconv.Itoa(id%perHost), "takes": fmt.Sprint(takes(id).Seconds())} {
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600))
		}
	}
	return f
}

func (f *fleet) config() pglog.Config {
	return pglog.Config{Cluster: f, Supervisor: f, Tool: pglog.Tool{Command: []string{filepath.Join(f.dir, "tool")}, Data: filepath.Join(f.dir, "{id}")}}
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

// makespan trims the fleet and says how long it took beside the trims of the
// canary and of the slowest OSD of each host.
func makespan(t testing.TB) (took, ideal time.Duration) {
	takes := func(osd int) time.Duration { // host by host another is the slowest
		if osd%perHost == osd/perHost {
			return 1500 * time.Millisecond
		}
		return time.Duration(800+50*osd) * time.Millisecond
	}
	f := newFleet(t, takes)
	s, err := pglog.Observe(ctx(t), f.config(), pglog.Options{All: true})
	must(t, err)
	p := pglog.Plan(s, pglog.Policy{MaxEntries: 100, Active: true})
	if len(p.Steps) != fleetSize*4 {
		t.Fatalf("%+v", p)
	}
	begun := time.Now()
	_, err = stackmend.Run(ctx(t), p, pglog.NewApplier(f.config()), stackmend.Options{Mode: stackmend.Apply, Parallel: perHost, MaxWait: time.Minute})
	took = time.Since(begun)
	must(t, err)
	ideal = takes(0)
	for h := range fleetSize / perHost {
		slowest := time.Duration(0)
		for id := h * perHost; id < (h+1)*perHost; id++ {
			if id > 0 {
				slowest = max(slowest, takes(id))
			}
		}
		ideal += slowest
	}
	return took, ideal
}

// The whole takes about as long as the canary and the slowest OSD of each host:
// one after the other they would take more than twice that.
func TestMakespan(t *testing.T) {
	t.Parallel()
	took, ideal := makespan(t)
	t.Logf("%v, the sum of the slowest %v", took, ideal)
	if took > 2*ideal {
		t.Errorf("%v, more than twice the sum of the slowest %v", took, ideal)
	}
}

// BenchmarkMakespan tells it as x-slowest.
func BenchmarkMakespan(b *testing.B) {
	var took, ideal time.Duration
	for b.Loop() {
		one, least := makespan(b)
		took, ideal = took+one, ideal+least
	}
	b.ReportMetric(took.Seconds()/ideal.Seconds(), "x-slowest")
}
