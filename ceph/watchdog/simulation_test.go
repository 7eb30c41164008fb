package watchdog

import (
	"flag"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"
)

func pow(a, b float64) float64 { return math.Pow(a, b) }
func mod(a, b float64) float64 { return math.Mod(a, b) }

var soak = flag.Bool("soak", false, "play ten times as many traces")

// traces of each kind.
func traces() uint64 {
	if *soak {
		return 3000
	}
	return 300
}

// fits reports whether every OSD of a trace could be stopped in time by one
// who knows: slope x (stop + margin), and a cycle for each that goes before,
// lies under the limit. A leak that comes again must leave the cool-down, and
// memory that comes back at once is no matter for restarts.
func fits(k kind, seed uint64, p Policy) bool {
	w := newWorld(k, seed)
	var wishes []Wish
	for i, o := range w.osds {
		if float64(o.grow(1, p.Settle)) > p.Useless*float64(simLimit) {
			return false
		}
		left := k.length
		for _, life := range []int{0, 1} {
			at, room := climb(o, life, k.length, p.Reserve)
			if at == k.length {
				continue
			}
			if life == 0 {
				left = room
			} else if at < p.CoolDown+p.Stop+p.Margin {
				return false
			}
		}
		if left < k.length {
			wishes = append(wishes, Wish{i, left, longestStop, longestCycle})
		}
	}
	for _, t := range Schedule(wishes, p.Margin) {
		if t.Begin < 0 {
			return false
		}
	}
	return true
}

// climb is when an OSD meets its limit, and how long before that it began to
// rise for the last time.
func climb(o *simOSD, life int, length time.Duration, reserve float64) (at, room time.Duration) {
	limit := int64((1-reserve)*float64(simLimit)) - o.jitter
	var began time.Duration
	last := o.grow(life, 0)
	for at = tick; at < length; at += tick {
		v := o.grow(life, at)
		if v <= last {
			began = at
		}
		if last = v; v >= limit {
			return at, at - began
		}
	}
	return length, length
}

// A row of the table: what came of all traces of a kind.
type row struct {
	nobody, ours score
	monit        [2]score
	fit          int
	missed       []uint64
}

// TestSimulation plays thousands of traces with nobody, with monit's fixed
// thresholds, and with this package. With -v it prints the table.
func TestSimulation(t *testing.T) {
	const form = "%-12s %6v   %-26v %-26v %-26v %v"
	t.Logf("%d traces of each kind; kills, restarts (of them needless), OSD-minutes down (of them two at once)", traces())
	t.Logf(form, "", "nobody", "monit: above 80 %", "monit: above 90 %", "watchdog", "")
	t.Logf(form, "growth", "kills", "looks every 10 s", "looks every 10 s", "", "kills of those where it fits")
	rows := make([]row, len(kinds()))
	var all sync.WaitGroup
	for i, k := range kinds() {
		all.Go(func() { rows[i] = playAll(k, Policy{}.orDefaults()) })
	}
	all.Wait()
	for i, k := range kinds() {
		r := rows[i]
		t.Logf(form, k.name, r.nobody.kills, r.monit[0], r.monit[1], r.ours, fmt.Sprintf("%d of %d", len(r.missed), r.fit))
		if len(r.missed) > 0 {
			t.Errorf("%s: killed although there was time: traces %v", k.name, r.missed[:min(len(r.missed), 10)])
		}
		if r.ours.needless > r.monit[1].needless {
			t.Errorf("%s: %d needless restarts, with a fixed threshold %d", k.name, r.ours.needless, r.monit[1].needless)
		}
		if r.ours.together > 0 && r.ours.kills == 0 {
			t.Errorf("%s: two OSDs were down at once", k.name)
		}
	}
}

func playAll(k kind, p Policy) (r row) {
	for seed := range traces() {
		alone := play(k, seed, nil, false)
		quiet := alone.kills == 0
		r.nobody.add(alone)
		for i, share := range []float64{0.80, 0.90} {
			r.monit[i].add(play(k, seed, threshold{share, 10 * time.Second}, quiet))
		}
		s := play(k, seed, newAhead(len(newWorld(k, seed).osds), p), quiet)
		r.ours.add(s)
		if !fits(k, seed, p) {
			continue
		}
		if r.fit++; s.kills > 0 {
			r.missed = append(r.missed, seed)
		}
	}
	return r
}

func (s score) String() string {
	minutes := func(ticks int) int { return int(time.Duration(ticks) * tick / time.Minute) }
	return fmt.Sprintf("%d, %d (%d), %d (%d)", s.kills, s.restarts, s.needless, minutes(s.down), minutes(s.together))
}
