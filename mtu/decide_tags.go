package mtu

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// unanswered finds requests that went all the way and came not back.
func (j *judge) unanswered(t trace) {
	var sizes []int
	answered := 0
	for p, at := range t.seen {
		if p.Reply {
			continue
		}
		reply := Ping{From: p.To, To: p.From, ID: p.ID, Seq: p.Seq, Reply: true}
		if t.seen[reply] != nil {
			answered++
		} else if !slices.Contains(at, nil) {
			sizes = append(sizes, at[0].IP)
		}
	}
	if len(sizes) == 0 {
		return
	}
	slices.Sort(sizes)
	j.untraced("pings", fmt.Sprintf("%d requests, the smallest of %d bytes, passed every point and no reply was seen at any (%d others were answered): capture nearer to the ends, or the end does not answer",
		len(sizes), sizes[0], answered))
}

// tagged finds frames that reach an end of the path with other tags than
// frames leave from there.
func (j *judge) tagged(t trace) {
	for _, end := range []int{0, len(t.points) - 1} {
		leaving, arriving := map[string]bool{}, map[string]*Sighting{}
		for p, at := range t.seen {
			s := at[end]
			if s == nil {
				continue
			}
			forward, known := t.travels(p)
			switch {
			case !known:
			case forward == (end == 0):
				leaving[tagList(s.Tags)] = true
			case arriving[tagList(s.Tags)] == nil || s.At.Before(arriving[tagList(s.Tags)].At):
				arriving[tagList(s.Tags)] = s
			}
		}
		for _, tags := range slices.Sorted(maps.Keys(arriving)) {
			if tags != "" && !leaving[tags] {
				j.notStripped(t, end, arriving[tags], slices.Sorted(maps.Keys(leaving)))
			}
		}
	}
}

// travels is forward for messages that did not vanish as well: by the order
// of the times at the ends of the captures on one clock, and, where clocks
// differ, by what its kin did.
func (t trace) travels(p Ping) (forward, known bool) {
	if f, ok := t.forward(p); ok {
		return f, ok
	}
	at := t.seen[p]
	last := len(at) - 1
	if at[0] == nil || at[last] == nil {
		return false, false
	}
	reply := Ping{From: p.To, To: p.From, ID: p.ID, Seq: p.Seq, Reply: !p.Reply}
	r := t.seen[reply]
	if r == nil || r[0] == nil || r[last] == nil {
		return at[0].At.Before(at[last].At), true
	}
	// Round trip at either end, each by its own clock: the shorter one is the
	// answering side.
	near, far := r[0].At.Sub(at[0].At).Abs(), r[last].At.Sub(at[last].At).Abs()
	return (near > far) != p.Reply, near != far
}

func (j *judge) notStripped(t trace, end int, s *Sighting, leaving []string) {
	point := t.points[end]
	f := stackmend.Finding{Code: CodeTagNotStripped, Status: stackmend.Fail, Subject: point.Point, Confidence: stackmend.High,
		Message:  fmt.Sprintf("frames reach %s%s, frames from there have %s: a tag was not taken off on the way", point.Point, withTags(s.Tags), strings.Join(leaving, " or ")),
		Fix:      "find the point after which the tag should be gone: a trunk where an access port is meant, a VLAN on a VLAN, a native VLAN that is tagged",
		Evidence: t.evidence(s.Ping)}
	if len(leaving) == 1 && leaving[0] == "" {
		f.Message = fmt.Sprintf("frames reach %s%s, frames from there have none: a tag was not taken off on the way", point.Point, withTags(s.Tags))
	}
	if len(leaving) == 0 {
		f.Confidence = stackmend.Medium
		f.Message = fmt.Sprintf("frames reach %s%s, and none leave it: a tag was probably not taken off on the way", point.Point, withTags(s.Tags))
	}
	j.add(f)
}
