//go:build linux

package pglog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
	"github.com/stackmend/stackmend/internal/lab"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
	"github.com/stackmend/stackmend/internal/lab/sshd"
)

// hosts is a cluster of three hosts with two OSDs in each. They are hosts by
// their names alone, and by an sshd in each.
func hosts(t testing.TB) (*labceph.Cluster, pglog.Config) {
	t.Helper()
	lab.Need(t, append(labceph.Programs(), "ceph-objectstore-tool", "setpriv", "pgrep", "unshare")...)
	dir, err := os.MkdirTemp("", "c")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	c, err := labceph.UpHosts(dir, 3, 2, func(name string, cmd *exec.Cmd) {
		if id, ok := strings.CutPrefix(name, "osd."); ok {
			n, _ := strconv.Atoi(id)
			sshd.As(cmd, fmt.Sprintf("host%d", n/2))
		}
	})
	must(t, err)
	t.Cleanup(func() { must(t, c.Down()) })
	must(t, prepare(c, 3)) // so that osd.0, osd.2 and osd.3 have some of them
	bin := t.TempDir()
	must(t, os.WriteFile(filepath.Join(bin, "systemctl"), []byte(fmt.Sprintf(systemctl, c.Conf, c.Dir)), 0o700))
	ssh := sshd.Up(t, bin+":"+os.Getenv("PATH"), "host0", "host1", "host2")
	return c, pglog.Config{
		Cluster:    ceph.CLI{Conf: c.Conf, Keyring: c.Admin},
		Supervisor: supervisor.Systemd{}, Route: supervisor.SSH{Command: []string{"ssh", "-F", ssh}},
		Tool: pglog.Tool{Data: filepath.Join(c.Dir, "osd.{id}")},
	}
}

// systemctl is a scripted one, with real OSDs under respawners. It notes on
// which host it was called.
const systemctl = `#!/bin/sh
conf=%s; dir=%s; for u; do :; done; id=${u#ceph-osd@}; id=${id%%.service}; hold=$dir/osd.$id.hold
pid() { pgrep -o -f "^ceph-osd -f -i $id -c $conf\$"; }
echo "$(uname -n) $1 $id" >>$dir/calls
case $1 in
show) active=inactive; p=$(pid) && active=active; load=loaded; [ -e $hold ] && load=masked
	printf 'LoadState=%%s\nActiveState=%%s\nMainPID=%%s\nTimeoutStopUSec=10min\nRestart=on-failure\nExecMainCode=1\nExecMainStatus=0\n' $load $active ${p:-0};;
mask) touch $hold;; unmask) rm -f $hold;;
kill) kill $(pid);;
start) until pid; do sleep 0.1; done;;
esac`

// onOwn fails the test unless each OSD was worked on from its own host alone.
func onOwn(t *testing.T, c *labceph.Cluster) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(c.Dir, "calls"))
	must(t, err)
	stopped := map[string]int{}
	for line := range strings.Lines(string(b)) {
		var host, verb string
		var id int
		if _, err := fmt.Sscan(line, &host, &verb, &id); err != nil || host != c.Host(id) {
			t.Errorf("%q: %v", line, err)
		}
		if verb == "kill" {
			stopped[host]++
		}
	}
	if stopped["host0"] != 1 || stopped["host1"] != 2 || len(stopped) != 2 {
		t.Errorf("OSDs were stopped by host: %v", stopped)
	}
}

// TestHosts is OSDs of two hosts in one run, by ssh: a canary, then the next
// host, whose OSDs are trimmed side by side. No two hosts are ever touched at
// once.
func TestHosts(t *testing.T) {
	t.Parallel()
	c, cfg := hosts(t)
	fill(t, c, "few")
	must(t, clean(c))
	sums := checksum(t, c, "few")
	_, err := c.Ceph("osd", "set-group", "noout", "host0") // somebody's, for one of the OSDs
	must(t, err)
	here := cfg
	here.Route = nil
	some := pglog.Options{OSDs: []int{0, 2, 3}}
	s, err := pglog.Observe(ctx(t), here, some)
	must(t, err)
	if p := pglog.Plan(s, pglog.Policy{MaxEntries: 100, Active: true}); len(p.Steps) > 0 || len(p.Kept) != 3 || !strings.Contains(p.Kept[1].Reason, "the OSD is on host host1, this is ") {
		t.Errorf("OSDs of other hosts were planned for here: %+v", p)
	}
	s, err = pglog.Observe(ctx(t), cfg, some)
	must(t, err)
	if !s.HardLimit || !slices.Equal(s.OSDs[0].Flags, []string{"noout@host0"}) || s.OSDs[1].Flags != nil {
		t.Errorf("pglog_hardlimit %t, flags %v, %v", s.HardLimit, s.OSDs[0].Flags, s.OSDs[1].Flags)
	}
	p := pglog.Plan(s, pglog.Policy{MaxEntries: 100, Active: true})
	if len(p.Steps) != 2+3*4 || len(p.Refusals) > 0 {
		b, _ := json.MarshalIndent(p, "", " ")
		t.Fatalf("the plan is\n%s", b)
	}
	lost := map[string]int64{"osd.0": 0, "osd.2": 0, "osd.3": 0}
	r, err := applyBy(t, cfg, p, 2, func(e stackmend.Event) {
		if e.Unit == "rows" {
			lost[e.Step.Target] = e.Done
		}
	})
	for _, o := range r.Outcomes {
		t.Log(o.Step, o.State, o.Note, o.Started.Sub(r.Started).Round(time.Millisecond), o.Finished.Sub(r.Started).Round(time.Millisecond))
	}
	must(t, err)
	must(t, clean(c))
	onOwn(t, c)
	away, trims := spans(r)
	if away["osd.0"].meets(away["osd.2"]) || away["osd.0"].meets(away["osd.3"]) {
		t.Error("OSDs of two hosts were away together")
	}
	if !trims["osd.2"].meets(trims["osd.3"]) {
		t.Error("the OSDs of one host were not trimmed side by side")
	}
	if got := checksum(t, c, "few"); got != sums {
		t.Errorf("objects changed: %s, was %s", got, sums)
	}
	for osd, n := range lost {
		if n < 200 { // of more than 300 in each log
			t.Errorf("%s lost %d entries", osd, n)
		}
	}
	var dump struct {
		Flags string
		Nodes map[string][]string `json:"crush_node_flags"`
	}
	out, err := c.Ceph("-f", "json", "osd", "dump")
	must(t, errors.Join(err, json.Unmarshal(out, &dump)))
	if strings.Contains(dump.Flags, "noout") || !slices.Equal(dump.Nodes["host0"], []string{"noout"}) {
		t.Errorf("ours is to be gone, and not what somebody set for host0: %+v", dump)
	}
}
