package pressure

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

func targets(p *stackmend.Plan) (out []string) {
	for _, s := range p.Steps {
		out = append(out, s.Verb+" "+s.Target+" "+s.Args["value"])
	}
	return out
}

func wantRefusal(t *testing.T, p *stackmend.Plan, want string) {
	t.Helper()
	if !strings.Contains(strings.Join(p.Refusals, "; "), want) {
		t.Errorf("%s: refusals %q, want %q", p.Check, p.Refusals, want)
	}
}

// under gives every OSD of a recording these settings.
func under(s *ceph.Snapshot, settings ...string) *ceph.Snapshot {
	for i := range s.OSDs {
		for k := 0; k+1 < len(settings); k += 2 {
			s.OSDs[i].Daemon.Config[settings[k]] = settings[k+1]
		}
	}
	return s
}

// The levels of a raise stand in its plan: counts and sleep under wpq, profiles
// under mClock, counts under mClock where the OSDs permit it.
func TestPlanRaise(t *testing.T) {
	unwell := func(s *ceph.Snapshot) *ceph.Snapshot {
		s.Recovery.States = map[string]int{"active+recovering+degraded": 3}
		return s
	}
	wpq := PlanRaise(Climb{Levels: 3}, unwell(replay(t, "pacific-healthy")), Policy{})
	if len(wpq.Refusals) > 0 || len(wpq.Steps) != 1 || topLevel(wpq.Steps[0]) != 3 {
		t.Fatalf("wpq: %q %+v", wpq.Refusals, wpq.Steps)
	}
	for level, want := range []string{"", "2", "3", "4"} {
		if got := settingOf(wpq.Steps[0], level, "osd osd_max_backfills"); got != want {
			t.Errorf("level %d: %q backfills, want %q", level, got, want)
		}
	}
	slept := PlanRaise(Climb{Levels: 3}, under(unwell(replay(t, "pacific-healthy")), "osd_recovery_sleep", "0.1"), Policy{}).Steps[0]
	if a, b := settingOf(slept, 3, "osd osd_recovery_sleep"), settingOf(wpq.Steps[0], 3, "osd osd_recovery_sleep"); a != "0.0125" || b != "" {
		t.Errorf("sleep at level 3: %q, without one of its own %q", a, b)
	}
	mclock := func() *ceph.Snapshot {
		return under(unwell(replay(t, "quincy-mclock")), "osd_mclock_profile", "high_client_ops", "osd_recovery_sleep", "0.1")
	}
	p := PlanRaise(Climb{}, mclock(), Policy{})
	if len(p.Steps) != 1 || topLevel(p.Steps[0]) != 2 || settingOf(p.Steps[0], 2, "osd osd_mclock_profile") != "high_recovery_ops" {
		t.Errorf("mClock: %q %+v", p.Refusals, p.Steps)
	}
	p = PlanRaise(Climb{}, under(mclock(), "osd_mclock_override_recovery_settings", "true"), Policy{})
	if len(p.Steps) != 1 || settingOf(p.Steps[0], 1, "osd osd_max_backfills") != "2" || settingOf(p.Steps[0], 1, "osd osd_recovery_sleep") != "" {
		t.Errorf("mClock with overrides: %q %+v", p.Refusals, p.Steps)
	}
	wantRefusal(t, PlanRaise(Climb{}, under(mclock(), "osd_mclock_profile", "custom"), Policy{}), "custom")
	wantRefusal(t, PlanRaise(Climb{Levels: -1}, unwell(replay(t, "pacific-healthy")), Policy{}), "levels")
	slow := unwell(replay(t, "pacific-healthy"))
	slow.OSDs[0].CommitMS, slow.OSDs[1].CommitMS, slow.OSDs[2].CommitMS = 400, 400, 400
	wantRefusal(t, PlanRaise(Climb{}, slow, Policy{}), "ease first")
	if p := PlanRaise(Climb{LatencyMS: 500}, slow, Policy{}); len(p.Refusals) > 0 || p.Steps[0].Args["latency_ms"] != "500" {
		t.Errorf("a limit of one's own: %q", p.Refusals)
	}
	if p := PlanRaise(Climb{}, replay(t, "pacific-healthy"), Policy{}); len(p.Steps) > 0 {
		t.Errorf("nothing to recover: %v", p.Steps)
	}
}

// What is not healthy, or was not seen, is not taken for health.
func TestJudge(t *testing.T) {
	before := replay(t, "pacific-healthy")
	cases := map[string]func(*ceph.Snapshot){
		"":                 func(*ceph.Snapshot) {},
		"commit":           func(s *ceph.Snapshot) { s.OSDs[1].CommitMS = 900 },
		"went up or down":  func(s *ceph.Snapshot) { s.OSDs[1].UpFrom++ },
		"memory_target":    func(s *ceph.Snapshot) { s.OSDs[0].Daemon.Pools.Total = 4 << 30 },
		"unseen: manager":  func(s *ceph.Snapshot) { s.Mgr.Available = false },
		"unseen: recovery": func(s *ceph.Snapshot) { s.Recovery.Seen = false },
		"unseen: latency": func(s *ceph.Snapshot) {
			for i := range s.OSDs {
				s.OSDs[i].CommitMS = -1
			}
		},
	}
	for want, spoil := range cases {
		s := replay(t, "pacific-healthy")
		spoil(s)
		got, _ := judge(before, s, 500)
		if unseen := strings.HasPrefix(want, "unseen"); got.Seen == unseen || !unseen && (want == "") != (got.Trouble == "") || !unseen && !strings.Contains(got.Trouble, want) {
			t.Errorf("%q: %+v", want, got)
		}
	}
}

func TestPlanMemory(t *testing.T) {
	short := func(gib int64) *ceph.Snapshot {
		s := under(replay(t, "pacific-healthy"), "osd_memory_target", "4294967296", "osd_memory_target_autotune", "false")
		for i := range s.OSDs {
			s.OSDs[i].Hostname, s.OSDs[i].MemTotal = "stor1", gib<<30
		}
		return s
	}
	if p := PlanMemory(Memory{}, short(12), Policy{}); len(p.Steps) != 4 || p.Steps[0].Args["value"] != "3006267392" {
		t.Errorf("12 GiB for three: %q %v", p.Refusals, targets(p))
	}
	wantRefusal(t, PlanMemory(Memory{}, short(8), Policy{}), "less than 2 GiB for each")
	if p := PlanMemory(Memory{Raise: 8 << 30}, short(32), Policy{}); len(p.Steps) != 0 || !strings.Contains(p.Kept[0].Reason, "OOM") {
		t.Errorf("raised without headroom: %v %v", targets(p), p.Kept)
	}
	if p := PlanMemory(Memory{Raise: 8 << 30}, short(64), Policy{}); len(p.Steps) != 4 {
		t.Errorf("raised with headroom: %q %v", p.Refusals, targets(p))
	}
	wantRefusal(t, PlanMemory(Memory{Raise: 1 << 30}, short(64), Policy{}), "at least 2 GiB")
	wantRefusal(t, PlanMemory(Memory{}, under(short(12), "osd_memory_target_autotune", "true"), Policy{}), "autotune")
	s := short(12)
	s.OSDs[2].Daemon = nil
	wantRefusal(t, PlanMemory(Memory{}, s, Policy{}), "osd.2")
}

func TestPlanSnapTrimRefusesZero(t *testing.T) {
	wantRefusal(t, PlanSnapTrim(SnapTrim{Concurrent: -1}, replay(t, "pacific-healthy"), Policy{}), "nosnaptrim")
}

// A plan is input from outside, whatever its ID says.
func TestForeignSteps(t *testing.T) {
	for _, s := range []stackmend.Step{
		{Verb: VerbConfig, Target: "osd osd_pg_max_concurrent_snap_trims", Args: map[string]string{"value": "0"}},
		{Verb: VerbConfig, Target: "global osd_max_backfills"},
		{Verb: VerbConfig, Target: "osd osd_memory_target"},
		{Verb: VerbConfig, Target: "osd osd_op_queue"},
		{Verb: VerbInject, Target: "osd osd_op_queue", Args: map[string]string{"value": "wpq"}},
		{Verb: VerbInject, Target: "osd osd_pg_max_concurrent_snap_trims", Args: map[string]string{"value": "0"}},
		{Verb: VerbPool, Target: "test size"},
		{Verb: VerbReweight, Target: "osd.01"},
		{Verb: VerbFlag, Target: "pause"},
		{Verb: VerbConfirm, Args: map[string]string{"value.osd keyring": ""}},
		{Verb: VerbRaise, Args: map[string]string{"1 auth_cluster_required": "none"}},
	} {
		for _, err := range []error{known(s), NewApplier(dead{}, ApplierOptions{}).Do(t.Context(), s, nil)} {
			if !errors.Is(err, stackmend.ErrRefused) {
				t.Errorf("%s: %v, want ErrRefused", s, err)
			}
		}
	}
}

// A flag for ever needs every OSD, and pressure and memory in hand.
func TestPlanHardLimit(t *testing.T) {
	ready := func() *ceph.Snapshot {
		s := under(replay(t, "pacific-healthy"), "osd_max_backfills", "1")
		s.Flags = slices.DeleteFunc(s.Flags, func(f string) bool { return f == hardLimit })
		s.PGs.States = map[string]int{"active+clean": s.PGs.Total - 8, "active+undersized+degraded": 8}
		return s
	}
	p := PlanHardLimit(false, ready(), Policy{})
	if len(p.Refusals) > 0 || p.Steps[0].Undo != "" || p.Steps[0].Cost.Instances != 8 || p.Steps[0].Cost.Bytes <= 0 || !strings.Contains(p.Steps[0].Reason, "for ever") {
		t.Fatalf("%q %+v", p.Refusals, p.Steps)
	}
	p.Expires = time.Now().Add(time.Hour)
	if _, err := stackmend.Run(t.Context(), p, NewApplier(dead{}, ApplierOptions{}), stackmend.Options{Mode: stackmend.Apply}); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("without Irreversible: %v", err)
	}
	old := ready()
	old.OSDs[2].Up, old.OSDs[2].Version = false, ceph.Version{Major: 13, Minor: 2, Patch: 4}
	wantRefusal(t, PlanHardLimit(false, old, Policy{}), "osd.2 runs 13.2.4")
	old.OSDs[2].Version = ceph.Version{}
	wantRefusal(t, PlanHardLimit(false, old, Policy{}), "its version was not seen")
	wantRefusal(t, PlanHardLimit(false, under(ready(), "osd_max_backfills", "10"), Policy{}), "ease recovery first")
	wantRefusal(t, PlanHardLimit(true, under(ready(), "osd_memory_target", "1000"), Policy{}), "memory must be in hand")
	if p := PlanHardLimit(false, replay(t, "pacific-healthy"), Policy{}); len(p.Steps) > 0 {
		t.Errorf("set already: %v", p.Steps)
	}
}

// dead is a cluster that does not answer.
type dead struct{}

func (dead) Command(context.Context, ceph.Command) (io.ReadCloser, error) {
	return nil, io.ErrUnexpectedEOF
}

// heap is an OSD with tcmalloc, which Debian's is not: its statistics are those
// of ceph/testdata/octopus-fragmented.
type heap struct {
	t        *testing.T
	released bool
	stubborn bool
}

func (h *heap) Command(_ context.Context, c ceph.Command) (io.ReadCloser, error) {
	switch {
	case c.Prefix == "osd dump":
		return io.NopCloser(strings.NewReader(`{"fsid":"11111111-2222-4333-8444-555555555555","epoch":300,"flags":"noout","osds":[{"osd":0,"up":1,"in":1}]}`)), nil
	case c.Prefix == "heap" && c.Args[0].Value == "release":
		h.released = !h.stubborn
		return io.NopCloser(strings.NewReader("osd.0 releasing free RAM back to system.\n")), nil
	case c.Prefix == "heap":
		free := 5200000000
		if h.released {
			free = 4000
		}
		return io.NopCloser(strings.NewReader(fmt.Sprintf(`osd.0 tcmalloc heap stats:------------------------------------------------
MALLOC:     1100000000 ( 1049.0 MiB) Bytes in use by application
MALLOC: +   %d ( 4959.1 MiB) Bytes in page heap freelist
MALLOC: =   6370000000 ( 6074.9 MiB) Actual memory used (physical + swap)
MALLOC: +     10000000 (    9.5 MiB) Bytes released to OS (aka unmapped)
`, free))), nil
	}
	h.t.Errorf("asked for %s", c)
	return nil, io.ErrUnexpectedEOF
}

func TestHeap(t *testing.T) {
	s := replay(t, "octopus-fragmented")
	s.EpochEnd = s.Epoch
	plan := PlanHeap(s, Policy{})
	if len(plan.Refusals) > 0 || len(plan.Steps) == 0 || plan.Steps[0].Target != "osd.0" {
		t.Fatalf("%q %v %v", plan.Refusals, targets(plan), plan.Kept)
	}
	plan.Expires, plan.Steps = time.Now().Add(time.Hour), plan.Steps[:1]
	run := func(h *heap) (stackmend.Result, error) {
		return stackmend.Run(t.Context(), plan, NewApplier(h, ApplierOptions{}), stackmend.Options{Mode: stackmend.Apply})
	}
	if r, err := run(&heap{t: t}); err != nil || r.Outcomes[0].State != stackmend.Done {
		t.Errorf("%v %+v", err, r.Outcomes)
	}
	if r, err := run(&heap{t: t, stubborn: true}); err == nil || r.Outcomes[0].State != stackmend.Failed {
		t.Errorf("nothing was released: %v %+v", err, r.Outcomes)
	}
	if p := PlanHeap(replay(t, "pacific-healthy"), Policy{}); len(p.Steps) > 0 || len(p.Kept) != 3 {
		t.Errorf("without tcmalloc: %v %v", targets(p), p.Kept)
	}
}

// A chart is a line for each look, and well-formed XML after.
func TestChart(t *testing.T) {
	var looks []Look
	for i := range 1000 {
		looks = append(looks, Look{Time: time.Unix(int64(i)*10, 0), Level: i / 200, PGs: 100, Left: int64(1000 - i), Remaining: -1,
			States: map[string]int{"active+clean": i / 10, "active+recovering+degraded": 1, "down": 1, `<"&`: 97 - i/10}})
	}
	looks = append(looks, Look{})
	if line := looks[500].String(); !strings.Contains(line, "###") || !strings.Contains(line, "!") || strings.Count(line, "#") > 40 {
		t.Error(line)
	}
	var b bytes.Buffer
	if err := WriteChart(&b, looks); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(&b); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteChart(io.Discard, nil); err != nil {
		t.Error(err)
	}
}

// A host's settings are written, with what was not seen, and never set.
func TestHostDiff(t *testing.T) {
	h := &ceph.Host{Name: "stor1", Memory: ceph.HostMemory{Total: 128 << 30},
		Sysctl: map[string]string{"vm.min_free_kbytes": "90112", "net.core.rmem_max": "33554432"},
		NICs:   []ceph.NIC{{Name: "eth0", Driver: "ixgbe", CRCErrors: 3}}, TCP: ceph.TCPCounters{ChecksumErrors: 7}}
	text := HostDiff(h)
	for _, want := range []string{"-vm.min_free_kbytes = 90112\n+vm.min_free_kbytes = 1048576\n", "# net.core.wmem_max was not seen", "3 CRC errors", "+ethtool -K eth0"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "rmem_max") {
		t.Errorf("enough is changed:\n%s", text)
	}
}
