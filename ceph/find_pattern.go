package ceph

import (
	"fmt"
	"slices"

	"github.com/stackmend/stackmend"
)

// A trait is something that OSDs can have in common.
type trait struct {
	name string
	of   func(*Snapshot, OSD) string
}

func traits() []trait {
	return []trait{
		{"host", func(_ *Snapshot, o OSD) string { return o.Host }},
		{"rack", func(_ *Snapshot, o OSD) string { return o.Rack }},
		{"device class", func(_ *Snapshot, o OSD) string { return o.Class }},
		{"disk model", func(_ *Snapshot, o OSD) string { return o.Model }},
		{"version", func(_ *Snapshot, o OSD) string { return o.Version.String() }},
		{"utilisation", func(s *Snapshot, o OSD) string {
			if o.Size == 0 || s.Full.Near == 0 {
				return ""
			}
			if o.Utilisation/100 >= s.Full.Near {
				return "above nearfull"
			}
			return "below nearfull"
		}},
	}
}

// pattern says what the flapping OSDs have in common, more than all OSDs do:
// most of them share it, and at least twice as often as the others. That there
// is no such thing is worth knowing too.
func pattern(s *Snapshot, ids []int) stackmend.Finding {
	var looked []string
	for _, t := range traits() {
		value, ours, all, values := s.common(t, ids)
		if values < 2 {
			continue // all are alike: nothing to tell apart
		}
		looked = append(looked, t.name)
		share, base := float64(ours)/float64(len(ids)), float64(all)/float64(len(s.OSDs))
		if share >= 0.6 && share >= 2*base {
			f := finding(stackmend.Warn, t.name+" "+value, "%d of %d flapping OSDs have the %s %s, which %d of all %d OSDs have", ours, len(ids), t.name, value, all, len(s.OSDs))
			f.Fix = "look for what is special there: memory, disks, network cards, switch"
			f.Confidence = stackmend.Medium
			f.Evidence = []stackmend.Evidence{seen("cluster log", "%s", osdNames(ids))}
			return f
		}
	}
	f := finding(stackmend.Warn, "pattern", "%d OSDs flap and have nothing in common", len(ids))
	f.Message += fmt.Sprintf(" (looked at %s)", some(looked, shown))
	f.Confidence = stackmend.Low
	f.Fix = "look for what is the same everywhere: the release, memory targets, the network between racks, pressure of recovery"
	f.Evidence = []stackmend.Evidence{seen("cluster log", "%s", osdNames(ids))}
	return f
}

// common is the value of a trait that most of the OSDs in ids have, how many
// of them and of all have it, and how many values there are.
func (s *Snapshot) common(t trait, ids []int) (value string, ours, all, values int) {
	count, total := map[string]int{}, map[string]int{}
	for _, o := range s.OSDs {
		v := t.of(s, o)
		if v == "" {
			continue
		}
		total[v]++
		if slices.Contains(ids, o.ID) {
			count[v]++
		}
	}
	for _, v := range sorted(count) {
		if count[v] > ours {
			value, ours = v, count[v]
		}
	}
	return value, ours, total[value], len(total)
}
