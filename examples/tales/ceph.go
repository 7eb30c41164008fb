package main

import (
	"fmt"
	"io"
	"time"

	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/internal/svg"
)

var stormTale = tale{
	name: "ceph-storm", title: "A cluster that does not come back",
	story: "100 TB went away and the cluster re-mirrors; OSDs grow until the kernel kills them, and every kill makes the storm worse. " +
		"What do the placement groups wait for, and what can still be done while the cluster serves?",
	play: func(s *stage) error {
		return playCeph(s, "A Luminous cluster in the middle of it, replayed from a recording.")
	},
}

var fragmentedTale = tale{
	name: "ceph-fragmented", title: "Memory that no pool accounts for",
	story: "OSDs hold twice what they are allowed to. Trimming logs does not help. Where is the memory?",
	play:  func(s *stage) error { return playCeph(s, "An Octopus cluster, replayed from a recording.") },
}

func playCeph(s *stage, text string) error {
	to := ceph.Recorded{FS: s.inputs}
	snapshot, err := ceph.Observe(s.ctx, to, ceph.Options{Timeout: 10 * time.Second})
	if err != nil {
		return err
	}
	if err := s.result("What the cluster says of itself", text, ceph.Check(ceph.Observed{Cluster: snapshot}, ceph.Policy{})); err != nil {
		return err
	}
	if !memorySeen(snapshot) {
		s.say("", "What the OSDs use their memory for could not be asked from here, so nothing is said of it.")
		return nil
	}
	return s.picture("OSD memory by owner", func(w io.Writer) error { return drawMemory(w, snapshot) })
}

func memorySeen(s *ceph.Snapshot) bool {
	for _, o := range s.OSDs {
		if m, ok := memory(s, &o); ok && m.Total > 0 {
			return true
		}
	}
	return false
}

func memory(s *ceph.Snapshot, o *ceph.OSD) (ceph.Memory, bool) {
	return ceph.Observed{Cluster: s}.MemoryOf(o)
}

// drawMemory draws a bar for each OSD: its log of placement groups, what is in
// no pool, and the rest, beside its target.
func drawMemory(w io.Writer, s *ceph.Snapshot) error {
	const width, left = 640, 80
	var p svg.Picture
	var most int64 = 1
	for _, o := range s.OSDs {
		m, _ := memory(s, &o)
		most = max(most, m.Total, m.Target)
	}
	scale := func(n int64) int { return int(max(n, 0) * width / most) }
	for i, o := range s.OSDs {
		m, _ := memory(s, &o)
		y := i * 3 * svg.Line
		p.Text(0, y+svg.Line, fmt.Sprintf("osd.%d", o.ID), svg.Plain)
		x := left
		for _, part := range []struct {
			n     int64
			style svg.Style
		}{{m.PGLog, svg.Plain}, {m.Caches, svg.Plain}, {m.Other, svg.Plain}, {m.Unpooled, svg.Culprit}} {
			p.Rect(x, y, scale(part.n), svg.Line+6, part.style)
			x += scale(part.n)
		}
		p.Line(left+scale(m.Target), y-4, left+scale(m.Target), y+svg.Line+10, svg.Culprit)
		p.Text(left, y+2*svg.Line+4, fmt.Sprintf("PG log %s, caches %s, other pools %s, in no pool %s; target %s",
			cli.Bytes(m.PGLog), cli.Bytes(m.Caches), cli.Bytes(m.Other), cli.Bytes(m.Unpooled), cli.Bytes(m.Target)), svg.Faint)
	}
	_, err := p.WriteTo(w)
	return err
}
