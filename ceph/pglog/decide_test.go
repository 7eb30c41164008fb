package pglog

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/internal/safety"
	"github.com/stackmend/stackmend/ceph/supervisor"
)

func snapshot() *Snapshot {
	s := &Snapshot{Taken: time.Now(), FSID: "f", Domain: "host",
		Pools: []safety.Pool{{ID: 1, Type: 1, Size: 3, MinSize: 2}, {ID: 2, Type: 3}}}
	for id, domain := range []string{"b", "a", "a", "c"} {
		s.OSDs = append(s.OSDs, OSD{ID: id, Up: true, Domain: domain, Version: "16.2.15", Tool: "16.2.15",
			Local: &supervisor.State{Running: true}, PGs: []PG{{"1.0", "down", 9000, 0}, {"1.1", "active+clean", 9000, 0}, {"2.0", "down", 9000, 0}, {"1.2", "peering", 9, 0}}})
	}
	return s
}

func TestPlanOrder(t *testing.T) {
	p := Plan(snapshot(), Policy{MaxEntries: 500, Degraded: true})
	var got []string
	for _, s := range p.Steps {
		if s.Verb == verbTrim || s.Group == flagsGroup {
			got = append(got, fmt.Sprint(s.Stage, " ", s.Verb, " ", s.Target))
		}
	}
	want := "0 set-flag noout,1 trim-pg-logs osd.1,2 trim-pg-logs osd.2,3 trim-pg-logs osd.0,4 trim-pg-logs osd.3,5 unset-flag noout"
	if strings.Join(got, ",") != want {
		t.Errorf("%s\nwant\n%s", strings.Join(got, ","), want)
	}
	if r := p.Steps[3].Reason; !strings.Contains(r, "why offline: 2 x inactive: no writes come, and trimming online rides on writes: 2 of 4 placement groups, 17000 entries: 1.0 9000 -> 500, 2.0 9000 -> 500") {
		t.Error(r)
	}
}

func TestPlanRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*Snapshot, *Policy)
		want  string
	}{
		"no limit":         {func(_ *Snapshot, p *Policy) { *p = Policy{} }, "no limit"},
		"too short":        {func(_ *Snapshot, p *Policy) { p.MaxEntries = 5 }, "fewer than 100"},
		"nothing may stop": {func(s *Snapshot, _ *Policy) { s.Stopped = "nodown" }, "nodown"},
		"another version":  {func(s *Snapshot, _ *Policy) { s.OSDs[0].Tool = "16.2.14" }, "its own version"},
		"elsewhere":        {func(s *Snapshot, _ *Policy) { s.OSDs[0].Local = nil }, "cannot be trimmed from here"},
		"held by another":  {func(s *Snapshot, _ *Policy) { s.OSDs[0].Local = &supervisor.State{Held: true, Respawn: "x"} }, "held by somebody"},
		"at the start limit": {func(s *Snapshot, _ *Policy) {
			s.OSDs[0].Local = &supervisor.State{Running: true, Unit: "u", Starts: 3, StartLimit: supervisor.Limit{Burst: 3, Interval: time.Minute}}
		}, "reset-failed u"},
		"only active": {func(s *Snapshot, _ *Policy) { s.OSDs[0].PGs = s.OSDs[0].PGs[1:2] }, "it is active: its log trims with the next writes"},
		"only active, not clean": {func(s *Snapshot, _ *Policy) {
			s.OSDs[0].PGs = []PG{{"1.1", "active+recovery_wait+degraded", 9000, 0}}
		}, "lacks the flag pglog_hardlimit"},
		"would not come back": {func(s *Snapshot, _ *Policy) { s.OSDs[0].Flags = []string{"noup@host0"} }, "noup@host0"},
		"only optimised": {func(s *Snapshot, _ *Policy) {
			s.Pools[1].FlagNames = "hashpspool,ec_overwrites,ec_optimizations"
			s.OSDs[0].PGs = s.OSDs[0].PGs[2:3]
		}, "allow_ec_optimizations"},
		"no pool":           {func(s *Snapshot, _ *Policy) { s.Pools, s.OSDs[0].PGs = s.Pools[:1], s.OSDs[0].PGs[2:3] }, "not in the map"},
		"up but not seen":   {func(s *Snapshot, _ *Policy) { s.OSDs[0].Local = &supervisor.State{} }, "no process"},
		"inactive already":  {func(_ *Snapshot, p *Policy) { p.Degraded = false }, "inactive already (1.0 2.0 1.2)"},
		"version not known": {func(s *Snapshot, _ *Policy) { s.OSDs[0].Version, s.OSDs[0].Tool = "", "" }, "its own version"},
	} {
		s, p := snapshot(), Policy{MaxEntries: 500, Degraded: true}
		c.spoil(s, &p)
		plan := Plan(s, p)
		text := strings.Join(plan.Refusals, "\n")
		for _, k := range plan.Kept {
			text += k.Reason
		}
		if !strings.Contains(text, c.want) || len(plan.Refusals) > 0 && len(plan.Steps) > 0 {
			t.Errorf("%s: %q has no %q, or steps all the same: %v", name, text, c.want, plan.Steps)
		}
	}
}

// Why logs are long is said of each placement group once, with what there is to
// do; what takes no writes, what waits for a slow member, and what writes trim
// are told apart.
func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(*Snapshot)
		policy Policy
		status stackmend.Status
		want   string
	}{
		"as it is": {nil, Policy{MaxEntries: 500}, stackmend.Warn,
			"takes-no-writes 2 of osd.0, osd.1, osd.2, osd.3; trims-online 1 of osd.0, osd.1, osd.2, osd.3"},
		"all short": {nil, Policy{MaxEntries: 9000}, stackmend.OK, ""},
		"no limit":  {nil, Policy{}, stackmend.OK, ""},
		"dups":      {func(s *Snapshot) { s.OSDs[1].PGs[1].Dups = 7000 }, Policy{MaxDups: 3000}, stackmend.OK, "trims-online 1 of osd.1"},
		"not clean, without the flag": {func(s *Snapshot) { s.OSDs = s.OSDs[:1]; s.OSDs[0].PGs = []PG{{"1.1", "active+degraded", 9000, 0}} },
			Policy{MaxEntries: 500}, stackmend.Warn, "held-by-slow-member 1 of osd.0"},
		"not clean, with it": {func(s *Snapshot) {
			s.HardLimit, s.OSDs = true, s.OSDs[:1]
			s.OSDs[0].PGs = []PG{{"1.1", "active+degraded", 9000, 0}}
		}, Policy{MaxEntries: 500}, stackmend.OK, "trims-online 1 of osd.0"},
		"down": {func(s *Snapshot) { s.OSDs = s.OSDs[:1]; s.OSDs[0].Up, s.OSDs[0].PGs = false, nil },
			Policy{MaxEntries: 500}, stackmend.Unknown, "placement-groups-not-seen osd.0"},
	} {
		s := snapshot()
		if c.spoil != nil {
			c.spoil(s)
		}
		r := Check(s, c.policy)
		var got []string
		for _, f := range r.Findings {
			if f.Code == CodeNotSeen {
				got = append(got, f.Code+" "+f.Subject)
				continue
			}
			_, osds, _ := strings.Cut(f.Evidence[0].Value, " entries on ")
			n, _, _ := strings.Cut(f.Message, " ")
			got = append(got, f.Code+" "+n+" of "+osds)
			if f.Fix == "" || (f.Code == CodeSlowMember) != strings.Contains(f.Evidence[len(f.Evidence)-1].Value, "pglog_hardlimit") {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if strings.Join(got, "; ") != c.want || r.Status != c.status {
			t.Errorf("%s: %v %q, want %v %q", name, r.Status, strings.Join(got, "; "), c.status, c.want)
		}
	}
}

// noout of a host, a class or an OSD is somebody else's; where each OSD has it,
// none is set and none is unset.
func TestFlags(t *testing.T) {
	var f safety.Map
	if err := json.Unmarshal([]byte(`{"crush_node_flags":{"h2":["noout","noin"],"elsewhere":["noup"]},"device_class_flags":{"hdd":["nodown"],"ssd":["noup"]},
		"osds":[{"osd":2,"state":["exists","up","noout"]},{"osd":3,"state":["noup"]}]}`), &f); err != nil {
		t.Fatal(err)
	}
	if got := f.FlagsOf(2, "hdd", []string{"h2", "r1"}); !slices.Equal(got, []string{"noout@h2", "nodown@hdd", "noout@osd.2"}) {
		t.Error(got)
	}
	for _, c := range []struct {
		flags []string // of how many OSDs
		sets  bool
	}{{nil, true}, {[]string{"a", "b", "c"}, true}, {[]string{"a", "b", "c", "d"}, false}} {
		s := snapshot()
		for i, whom := range c.flags {
			s.OSDs[i].Flags = []string{"noout@" + whom}
		}
		p := Plan(s, Policy{MaxEntries: 500, Degraded: true})
		for _, verb := range []string{verbSet, verbUnset} {
			if got := slices.ContainsFunc(p.Steps, func(s stackmend.Step) bool { return s.Verb == verb }); got != c.sets || len(p.Steps) == 0 {
				t.Errorf("%v: %s: %t", c.flags, verb, got)
			}
		}
	}
}

// The plan carries its policy to the run; a step that does not is strict.
func TestPermitted(t *testing.T) {
	p := Plan(snapshot(), Policy{MaxEntries: 500, Degraded: true, Lowest: 1, NoSpare: true})
	for _, s := range p.Steps {
		want := safety.Policy{}
		if s.Verb == verbStop || s.Verb == verbStart {
			want = safety.Policy{Degraded: true, Lowest: 1, NoSpare: true}
		}
		if got, err := permitted(s); err != nil || got.Degraded != want.Degraded || got.Lowest != want.Lowest || got.NoSpare != want.NoSpare {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
		if told := strings.Contains(s.Reason, "degraded or inactive already"); told != (s.Verb == verbStop) {
			t.Errorf("%s: %s", s, s.Reason)
		}
	}
	for key, value := range map[string]string{argDegraded: "perhaps", argLowest: "all", argNoSpare: "1.5"} {
		if got, err := permitted(stackmend.Step{Args: map[string]string{key: value}}); !errors.Is(err, stackmend.ErrRefused) || got.Degraded {
			t.Errorf("%s %s: %+v, %v", key, value, got, err)
		}
	}
}

// ok-to-stop is asked about all that are not back, once.
func TestUnderWay(t *testing.T) {
	step := func(verb string, id int) stackmend.Step { return stackmend.Step{Verb: verb, Target: osdName(id)} }
	r := stackmend.Request{Step: step(verbStop, 2), Running: []stackmend.Outcome{{Step: step(verbTrim, 11)}, {Step: step(verbStop, 1)}},
		Outcomes: []stackmend.Outcome{
			{Step: step(verbStop, 11), State: stackmend.Done},
			{Step: step(verbStop, 3), State: stackmend.Done}, {Step: step(verbTrim, 3), State: stackmend.Done}, {Step: step(verbStart, 3), State: stackmend.Done},
			{Step: step(verbStop, 4), State: stackmend.Reverted},
			{Step: step(verbStop, 5), State: stackmend.Done}, {Step: step(verbStart, 5), State: stackmend.Failed},
			{Step: step(verbHold, 6), State: stackmend.Done},
			// A dry run goes on as if what comes before had been done.
			{Step: step(verbStop, 7), State: stackmend.Would}, {Step: step(verbTrim, 7), State: stackmend.Would}, {Step: step(verbStart, 7), State: stackmend.Would},
		}}
	if got, err := underWay(r); err != nil || !slices.Equal(got, []int{1, 2, 5, 11}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestJudge(t *testing.T) {
	good := info{Update: "70'1094", Complete: "70'1094", Backfill: "MAX"}
	q := func(state string, updates ...string) query {
		out := query{State: state, Info: member{Update: "70'1094"}}
		for i, u := range updates {
			out.Peers = append(out.Peers, member{Peer: fmt.Sprint(i), Update: u})
		}
		return out
	}
	tail := Version{70, 594}
	for _, c := range []struct {
		i      info
		q      query
		active bool
		want   string
	}{
		{good, q("down", "70'1094", "70'594"), false, ""},
		{good, q("active+clean", "70'1094"), true, ""},
		{good, q("active+clean", "70'1094"), false, "next writes"},
		{good, q("down", "69'9999"), false, "become backfill"},
		{good, q("down", "70'593"), false, "become backfill"},
		{good, q("down", "soon"), false, "not understood"},
		{good, query{}, true, "did not say"},
		{info{"70'1094", "70'1000", "MAX"}, q("down"), false, "lacks objects"},
		{info{"70'1094", "70'1094", "2:0510f8b3:::x:head"}, q("down"), false, "backfilled"},
	} {
		if got := judge(c.i, c.q, tail, c.active); got != c.want && (c.want == "" || !strings.Contains(got, c.want)) {
			t.Errorf("%+v %+v: %q, want %q", c.i, c.q, got, c.want)
		}
	}
}

// A shard of an erasure coded pool is trimmed no further than where it may be
// rolled back to; pools whose last_complete means something else, not at all.
func TestErasureCoded(t *testing.T) {
	rolled, err := decodeVersion([]byte("\x50\x0d\x00\x00\x00\x00\x00\x00\x31\x00\x00\x00")) // of ceph-objectstore-tool 16.2.15, at 49'3408
	if err != nil || rolled != (Version{49, 3408}) {
		t.Error(rolled, err)
	}
	for tail, want := range map[Version]string{{49, 3308}: "", {49, 3408}: "", {49, 3409}: "rolled back", {50, 1}: "rolled back"} {
		if got := judgeShard(rolled, tail); got != want && (want == "" || !strings.Contains(got, want)) {
			t.Errorf("%v: %q, want %q", tail, got, want)
		}
	}
	pools := []safety.Pool{{ID: 3, Type: 3}, {ID: 13, Type: 3, FlagNames: "ec_overwrites,ec_optimizations"}}
	for pg, want := range map[string]string{"3.1fs2": "", "13.1fs0": "ec_optimizations", "1.0": "not in the map"} {
		if got := poolKeeps(pools, pg); got != want && (want == "" || !strings.Contains(got, want)) {
			t.Errorf("%s: %q, want %q", pg, got, want)
		}
	}
	if l := (limits{inactive: []string{"3.1f"}}); !l.expected("3.1fs2") || l.expected("3.1s2") {
		t.Error("which shards are inactive")
	}
}

func FuzzDecodeVersion(f *testing.F) {
	f.Add([]byte("\x50\x0d\x00\x00\x00\x00\x00\x00\x31\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := decodeVersion(b); (err == nil) != (len(b) == 12) || v.Epoch > 1<<32 {
			t.Error(v, err)
		}
	})
}

func logOf(from, to uint64) *Log {
	l := &Log{Head: Version{7, to}, Tail: Version{7, from}}
	for n := from + 1; n <= to; n++ {
		l.Entries = append(l.Entries, Entry{Version{7, n}, n})
	}
	return l
}

func TestProof(t *testing.T) {
	before := logOf(0, 1000)
	tail, remain, ok := before.Trimmed(400)
	if !ok || tail != (Version{7, 600}) || len(remain) != 400 {
		t.Fatal(tail, len(remain), ok)
	}
	if _, _, ok := before.Trimmed(1000); ok {
		t.Error("a log that is short enough would be trimmed")
	}
	if err := proof(before, logOf(600, 1000), tail, remain); err != nil {
		t.Error(err)
	}
	lost := logOf(600, 1000)
	lost.Entries = append(lost.Entries[:5:5], lost.Entries[6:]...) // as one that could not be decoded
	for want, after := range map[string]*Log{
		"nothing was trimmed": before, "something else wrote": logOf(600, 1001), "the tail is": logOf(500, 1000), "not the": lost,
	} {
		if err := proof(before, after, tail, remain); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestDomain(t *testing.T) {
	nodes := []node{{-1, "default", "root", "", 11, []int{-2}}, {-2, "r1", "rack", "", 3, []int{-3, -4}},
		{-3, "h1", "host", "", 1, []int{0, 1}}, {-4, "h2", "host", "", 1, []int{2}}, {0, "osd.0", "osd", "hdd", 0, nil}, {1, "osd.1", "osd", "ssd", 0, nil}, {2, "osd.2", "osd", "hdd", 0, nil}}
	of := func(kinds ...string) []rule {
		var out []rule
		for i, k := range kinds {
			r := rule{ID: i}
			r.Steps = append(r.Steps, struct{ Op, Type string }{"take", ""}, struct{ Op, Type string }{"chooseleaf_firstn", k})
			out = append(out, r)
		}
		return out
	}
	pools := []safety.Pool{{Rule: 0}, {Rule: 1}}
	if d, err := domainOf(pools, of("rack", "host"), nodes); d != "host" || err != nil {
		t.Error(d, err)
	}
	for _, bad := range [][]rule{of("rack"), of("rack", "row"), nil} {
		if d, err := domainOf(pools, bad, nodes); err == nil {
			t.Errorf("%v: %q", bad, d)
		}
	}
	if p := placesIn(nodes, "rack"); p[2].host != "h2" || p[2].domain != "r1" || p[2].class != "hdd" || !slices.Equal(p[2].in, []string{"h2", "r1", "default"}) {
		t.Error(p)
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add(`{"pg_log_t":{"head":"7'2","tail":"7'0","log":[{"version":"7'1"},{"version":"7'2"}],"dups":[{}]},"pg_missing_t":{}}`)
	f.Add(`{"pg_log_t":{"head":"7'2"`)
	f.Fuzz(func(t *testing.T, text string) {
		if l, err := ReadLog(strings.NewReader(text)); err == nil {
			l.Trimmed(1)
		}
	})
}

// A real log, of ceph-objectstore-tool 16.2.15, trimmed offline to 20 entries:
// the tool's own tail afterwards was 70'1074.
func TestReadLog(t *testing.T) {
	f, err := os.Open("testdata/log_2.0_before.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := ReadLog(f)
	if err != nil {
		t.Fatal(err)
	}
	if l.Head != (Version{70, 1094}) || l.Tail != (Version{42, 948}) || len(l.Entries) != 146 || l.Dups != 100 {
		t.Errorf("head %v tail %v, %d entries, %d dups", l.Head, l.Tail, len(l.Entries), l.Dups)
	}
	if tail, remain, ok := l.Trimmed(20); !ok || tail != (Version{70, 1074}) || len(remain) != 20 {
		t.Errorf("%v %d %t", tail, len(remain), ok)
	}
}

// Dups that the release counts are among the rows of a plan, and what a trim
// noted is read again.
func TestRows(t *testing.T) {
	s := snapshot()
	s.OSDs[1].PGs[0].Dups = 5000
	p := Plan(s, Policy{MaxEntries: 500, MaxDups: 3000, Degraded: true})
	for _, st := range p.Steps {
		if want := int64(2*8500 + 2000); st.Verb == verbTrim && st.Target == "osd.1" && st.Cost.Rows != want {
			t.Errorf("%d rows, want %d", st.Cost.Rows, want)
		}
	}
	for want, p := range map[string]Policy{
		"1.0 9000 -> 500": {MaxEntries: 500}, "1.0 9000 -> 500 dups (not counted by the manager) -> at most 20": {MaxEntries: 500, MaxDups: 20},
		"1.0 dups (not counted by the manager) -> at most 20": {MaxDups: 20},
	} {
		if got := s.OSDs[0].PGs[0].loses(p); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := s.OSDs[1].PGs[0].loses(Policy{MaxDups: 3000}); got != "1.0 dups 5000 -> 3000" {
		t.Error(got)
	}
	for note, want := range map[string]int64{
		fmt.Sprintf(trimmed, 1000, 400, Version{1, 2}, Version{7, 600}, 9, 100): 600, fmt.Sprintf(trimmed, 400, 400, Version{7, 600}, Version{7, 600}, 900, 100): 800,
		"kept: its pool is not in the map": 0, "": 0,
	} {
		if got := lost(note); got != want {
			t.Errorf("%q: %d, want %d", note, got, want)
		}
	}
}
