package bpdu

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// choose returns the taps that shall be filtered, sorted.
func (s *Snapshot) choose(p *stackmend.Plan, sel Selection) []string {
	allowed := s.allowed(p, sel.Allow)
	chosen := s.selected(p, sel)
	want := map[string]bool{}
	for _, tap := range s.Host.Table.names() {
		if l, ok := s.Host.Link(tap); ok && l.IsTap() {
			want[tap] = !sel.Remove || !sel.All && !slices.Contains(chosen, tap)
		}
	}
	for _, tap := range chosen {
		if !sel.Remove {
			want[tap] = true
		}
	}
	var out []string
	for tap, on := range want {
		if on && allowed[tap] != "" {
			p.Kept = append(p.Kept, stackmend.Kept{Target: tap, Reason: "allowed: " + allowed[tap]})
			continue
		}
		if on {
			out = append(out, tap)
		}
	}
	slices.Sort(out)
	slices.SortFunc(p.Kept, func(a, b stackmend.Kept) int { return strings.Compare(a.Target+a.Reason, b.Target+b.Reason) })
	return out
}

// selected returns the taps that are meant, and refuses what is none.
func (s *Snapshot) selected(p *stackmend.Plan, sel Selection) []string {
	var out []string
	for _, tap := range sel.Taps {
		l, ok := s.Host.Link(tap)
		filtered := slices.Contains(s.Host.Table.names(), tap)
		switch {
		case !ok && sel.Remove && filtered: // gone, and its filter with it
		case !ok:
			p.Refusals = append(p.Refusals, fmt.Sprintf("there is no device %q", tap))
		case !l.IsTap():
			p.Refusals = append(p.Refusals, fmt.Sprintf("%q is no tap (kind %q, master %q): a filter on an uplink would cut the host off from its own switches", tap, l.Kind, l.Master))
		case l.Master == ovsDatapath:
			p.Refusals = append(p.Refusals, fmt.Sprintf("%q is a port of Open vSwitch: what a filter does there was not measured", tap))
		default:
			out = append(out, tap)
		}
	}
	if !sel.All {
		return out
	}
	for _, l := range s.Host.Links {
		if !l.IsTap() {
			continue
		}
		bridge, ok := s.Host.Link(l.Master)
		switch {
		case l.Master == ovsDatapath:
			p.Kept = append(p.Kept, stackmend.Kept{Target: l.Name, Reason: "a port of Open vSwitch: what a filter does there was not measured"})
		case !ok || bridge.Kind != "bridge" || len(s.Host.reach(bridge)) == 0:
			p.Kept = append(p.Kept, stackmend.Kept{Target: l.Name, Reason: "in no bridge with an uplink"})
		default:
			out = append(out, l.Name)
		}
	}
	if len(out) == 0 && !sel.Remove && len(s.Host.Table.names()) == 0 {
		p.Refusals = append(p.Refusals, "no tap is in a bridge with an uplink: there is nothing to filter")
	}
	return out
}

// allowed returns the taps of an allow-list, with the entry that allows each.
func (s *Snapshot) allowed(p *stackmend.Plan, list []string) map[string]string {
	out := map[string]string{}
	for _, entry := range list {
		taps := s.entryTaps(entry)
		for _, tap := range taps {
			out[tap] = entry
		}
		if len(taps) == 0 {
			p.Unseen = append(p.Unseen, fmt.Sprintf("allow-list entry %q: it is no tap of this host", entry))
		}
	}
	return out
}

// entryTaps finds the taps that an entry means: by name, by the MAC of the
// instance's side, by port or instance.
func (s *Snapshot) entryTaps(entry string) []string {
	var names []string
	if _, ok := s.Host.Link(entry); ok {
		return []string{entry}
	}
	if s.Cloud == nil {
		return nil
	}
	for _, q := range s.Cloud.Ports {
		if len(q.ID) < 11 || q.ID != entry && q.Device != entry && (q.MAC == "" || q.MAC != mac(entry)) {
			continue
		}
		if l, ok := s.Host.Link(q.Tap()); ok && l.IsTap() {
			names = append(names, l.Name)
		}
	}
	return names
}
