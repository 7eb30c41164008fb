package ceph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// block is why PGs of a state do not recover, and what helps.
type block struct{ state, why, fix string }

func blocks() []block {
	return []block{
		{"incomplete", "no set of living OSDs holds a complete history", "bring back the OSDs that `ceph pg PGID query` names under down_osds_we_would_probe; never mark one lost before everything else was tried"},
		{"down", "an OSD that may hold newer data is down", "bring back the OSDs named under blocked_by; an OSD that does not start is better mended than marked lost"},
		{"stale", "the primary has not reported", "look for OSDs that are down or cut off; `ceph pg dump_stuck stale` names them"},
		{"recovery_unfound", "objects are missing on every living OSD", "bring back OSDs that hold them (`ceph pg PGID list_unfound`); do not use mark_unfound_lost before"},
		{"backfill_unfound", "objects are missing on every living OSD", "bring back OSDs that hold them (`ceph pg PGID list_unfound`); do not use mark_unfound_lost before"},
		{"backfill_toofull", "the OSD it would move to is above backfillfull_ratio", "make room or add OSDs; raising `ceph osd set-backfillfull-ratio` by a point or two is a last resort, to be put back"},
		{"recovery_toofull", "the OSD it would recover to is above full_ratio", "make room or add OSDs; until then writes stand as well"},
		{"peering", "its OSDs have not agreed", "look at blocked_by, at OSDs that flap, at packet loss and MTU between them"},
		{"peered", "fewer OSDs than min_size live", "bring back OSDs; do not lower min_size to 1"},
		{"activating", "it does not become active", "look for OSDs with too many PGs (mon_max_pg_per_osd) and for slow ones"},
		{"creating", "it was never created", "look at the CRUSH rule and at the OSDs it wants"},
	}
}

// passing states are bad only if they last.
var passing = [...]string{"peering", "peered", "activating", "creating"}

func findBlocked(o Observed, p Policy) []stackmend.Finding {
	s := o.Cluster
	var out []stackmend.Finding
	for _, b := range blocks() {
		if n := s.inState(b.state); n > 0 {
			out = append(out, blocked(s, b, n, p))
		}
	}
	out = append(out, full(s)...)
	if len(out) == 0 {
		out = append(out, standing(s)...)
	}
	return out
}

func blocked(s *Snapshot, b block, n int, p Policy) stackmend.Finding {
	var pgs []PG
	for _, pg := range s.PGs.Stuck.Top {
		if pg.In(b.state) {
			pgs = append(pgs, pg)
		}
	}
	f := finding(stackmend.Fail, "PGs "+b.state, "%d of %d PGs are %s: %s", n, s.total(), b.state, b.why)
	if slices.Contains(passing[:], b.state) && !lasting(pgs, s.Taken, p.Stuck) {
		f.Status, f.Confidence = stackmend.Warn, stackmend.Low
		f.Message += "; this may pass by itself"
	}
	f.Fix = b.fix
	if len(pgs) > 0 {
		f.Evidence = append(f.Evidence, seen("pg dump", "%s", pgNames(pgs)))
	}
	f.Evidence = append(f.Evidence, s.asked(b.state)...)
	if waits := s.waits(pgs); waits != "" {
		f.Evidence = append(f.Evidence, seen("pg dump blocked_by", "%s", waits))
	}
	return f
}

// asked is what the PGs in a state say of themselves.
func (s *Snapshot) asked(state string) []stackmend.Evidence {
	var out []stackmend.Evidence
	for _, q := range s.Queries {
		source := "pg " + q.ID + " query"
		if in(q.State, state) && q.Blocked != "" {
			out = append(out, seen(source, "%s", q.Blocked))
		}
		if in(q.State, state) && len(q.WouldProbe) > 0 {
			out = append(out, seen(source, "down and may know more: %s", osdNames(q.WouldProbe)))
		}
	}
	return out
}

// lasting reports whether one of the PGs has not been active for so long.
func lasting(pgs []PG, now time.Time, long time.Duration) bool {
	return slices.ContainsFunc(pgs, func(p PG) bool {
		at, err := parseTime(p.LastActive)
		return err == nil && now.Sub(at) > long
	})
}

// waits names the OSDs that PGs wait for, the most waited for first.
func (s *Snapshot) waits(pgs []PG) string {
	count := map[int]int{}
	for _, p := range pgs {
		for _, id := range p.BlockedBy {
			count[id]++
		}
	}
	ids := make([]int, 0, len(count))
	for id := range count {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b int) int { return cmp.Or(count[b]-count[a], a-b) })
	var words []string
	for _, id := range ids {
		state := "not in the map"
		if o := s.OSD(id); o != nil {
			state = o.word()
		}
		words = append(words, fmt.Sprintf("%d wait for %s (%s)", count[id], osdName(id), state))
	}
	return some(words, shown)
}

func (o OSD) word() string {
	w := []string{"down", "out"}
	if o.Up {
		w[0] = "up"
	}
	if o.In {
		w[1] = "in"
	}
	return strings.Join(w, ", ")
}

// full finds OSDs that backfill is not let onto.
func full(s *Snapshot) []stackmend.Finding {
	var over, near []string
	for _, o := range s.OSDs {
		use := o.Utilisation / 100
		if !o.In || o.Size == 0 {
			continue
		}
		text := fmt.Sprintf("osd.%d %.1f%%", o.ID, o.Utilisation)
		switch {
		case s.Full.Backfill > 0 && use >= s.Full.Backfill:
			over = append(over, text)
		case s.Full.Near > 0 && use >= s.Full.Near:
			near = append(near, text)
		}
	}
	ratios := seen("osd dump", "nearfull %.2f, backfillfull %.2f, full %.2f", s.Full.Near, s.Full.Backfill, s.Full.Full)
	fix := "make room, add OSDs, or even out the use (`ceph osd df`); recovery fills OSDs further"
	var out []stackmend.Finding
	if len(over) > 0 {
		f := finding(stackmend.Fail, "full OSDs", "%d OSDs are above backfillfull_ratio: nothing recovers onto them", len(over))
		f.Fix, f.Evidence = fix, []stackmend.Evidence{seen("osd df", "%s", some(over, shown)), ratios}
		out = append(out, f)
	}
	if len(near) > 0 {
		f := finding(stackmend.Warn, "nearly full OSDs", "%d OSDs are above nearfull_ratio", len(near))
		f.Fix, f.Evidence = fix, []stackmend.Evidence{seen("osd df", "%s", some(near, shown)), ratios}
		out = append(out, f)
	}
	return out
}

// standing: copies are missing, nothing moves, and no state says why.
func standing(s *Snapshot) []stackmend.Finding {
	moving := s.inState("recovering") + s.inState("backfilling") + s.inState("recovery_wait") + s.inState("backfill_wait")
	if s.degraded() == 0 || moving > 0 || s.Recovery.ObjectsPerSecond > 0 {
		return nil
	}
	f := finding(stackmend.Fail, "recovery", "copies of objects are missing and no PG recovers")
	f.Evidence = []stackmend.Evidence{seen("status", "%s", s.progress())}
	f.Fix = "see which OSDs the CRUSH rules lack: too few hosts for the pool's size, or OSDs down that are still in"
	var held []string
	for _, flag := range []string{"norecover", "nobackfill", "norebalance"} {
		if s.Has(flag) {
			held = append(held, flag)
		}
	}
	var waiting []int
	for _, o := range s.OSDs {
		if !o.Up && o.In {
			waiting = append(waiting, o.ID)
		}
	}
	if len(held) > 0 {
		f.Evidence = append(f.Evidence, seen("osd dump", "flags %s", strings.Join(held, ", ")))
		f.Fix = "unset the flags, if those who set them agree: `ceph osd unset " + held[0] + "`"
	}
	if len(waiting) > 0 {
		f.Evidence = append(f.Evidence, seen("osd dump", "%s down and still in: copies are made elsewhere only when they are out (mon_osd_down_out_interval)", osdNames(waiting)))
		if s.Has("noout") {
			f.Evidence = append(f.Evidence, seen("osd dump", "flag noout: they will not be marked out"))
		}
		if len(held) == 0 {
			f.Status, f.Fix = stackmend.Warn, "start these OSDs again; if they are lost, `ceph osd out` begins the recovery"
		}
	}
	return []stackmend.Finding{f}
}
