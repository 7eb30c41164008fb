package ceph

import (
	"encoding/json"
	"fmt"
)

// pgCounter adds up the PGs of a dump.
type pgCounter struct {
	s    *Snapshot
	pgs  PGs
	load map[int]*Load
	bad  map[string]bool // whether a combination of states is stuck
}

// list reads the PGs up to the end of their list.
func (c *pgCounter) list(d *json.Decoder) error {
	var p pgJSON
	for d.More() {
		p = pgJSON{Up: p.Up[:0], Acting: p.Acting[:0], BlockedBy: p.BlockedBy[:0]}
		if err := d.Decode(&p); err != nil {
			return err
		}
		if !validPGID(p.ID) || p.State == "" {
			return fmt.Errorf("a PG without id or state (%.40q, %.40q)", p.ID, p.State)
		}
		if p.Log < 0 || p.SnapQueue < 0 || p.dups() < 0 {
			return fmt.Errorf("PG %s has a negative length", p.ID)
		}
		c.add(&p)
	}
	return expect(d, ']')
}

func (c *pgCounter) add(p *pgJSON) {
	g := &c.pgs
	g.Total++
	g.States[p.State]++
	g.Objects += p.Sum.Objects
	g.Degraded += p.Sum.Degraded
	g.Misplaced += p.Sum.Misplaced
	g.Unfound += p.Sum.Unfound
	g.Recovered += p.Sum.Recovered
	g.LogEntries += p.Log
	g.SnapQueue += p.SnapQueue
	c.lay(p)
	unclean := 0
	if !in(p.State, "clean") {
		unclean = 1
	}
	g.LogLengths[unclean][int(p.Log/logStep)]++
	if c.stuck(p.State) {
		g.Stuck.offer(p, badness(p.State), func(q PG) int64 { return badness(q.State) })
	}
	g.LongLogs.offer(p, p.Log, func(q PG) int64 { return q.Log })
	if p.Dups != nil {
		g.DupsSeen = true
		g.Dups += *p.Dups
		g.ManyDups.offer(p, *p.Dups, func(q PG) int64 { return q.Dups })
	}
	if p.SnapQueue > 0 {
		g.SnapQueues.offer(p, p.SnapQueue, func(q PG) int64 { return q.SnapQueue })
	}
}

// lay adds the PG to the load of its OSDs.
func (c *pgCounter) lay(p *pgJSON) {
	for _, id := range p.Acting {
		l := c.of(id)
		l.PGs++
		l.LogEntries += p.Log
		l.Dups += p.dups()
	}
	for _, id := range p.BlockedBy {
		c.of(id).Blocks++
	}
}

func (c *pgCounter) of(id int) *Load {
	l := c.load[id]
	if l == nil {
		l = &Load{}
		c.load[id] = l
	}
	return l
}

// stuck remembers the verdict on each combination: there are few.
func (c *pgCounter) stuck(state string) bool {
	verdict, ok := c.bad[state]
	if !ok {
		if c.bad == nil {
			c.bad = map[string]bool{}
		}
		verdict = badness(state) > 0
		c.bad[state] = verdict
	}
	return verdict
}

// done gives the sums to the Snapshot. None at all, though there are pools, is
// not an answer.
func (c *pgCounter) done() error {
	pgs := 0
	for _, p := range c.s.Pools {
		pgs += p.PGs
	}
	if c.pgs.Total == 0 && pgs > 0 {
		return fmt.Errorf("ceph: pg dump has no PGs, the OSD map %d", pgs)
	}
	c.pgs.Seen = true
	c.s.PGs = c.pgs
	for id, l := range c.load {
		if o := c.s.OSD(id); o != nil { // 2147483647 stands for a missing member
			o.Load = *l
		}
	}
	return nil
}

// badStates are the states in which a PG does not serve or does not recover,
// the worst first (src/osd/osd_types.cc, pg_state_string).
var badStates = [...]string{
	"incomplete", "down", "stale", "unknown", "recovery_unfound", "backfill_unfound",
	"backfill_toofull", "recovery_toofull", "peering", "peered", "activating", "creating",
}

// badness ranks a combination of states; 0: it does not stand in the way.
func badness(state string) int64 {
	for i, bad := range badStates {
		if in(state, bad) {
			return int64(len(badStates) - i)
		}
	}
	if !in(state, "active") {
		return 1
	}
	return 0
}
