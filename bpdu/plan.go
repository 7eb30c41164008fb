package bpdu

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// The verbs of steps.
const (
	VerbProtect = "protect" // the table filters exactly Args["taps"]
	VerbRemove  = "remove"  // the table is gone
)

// A Selection says which taps are to be filtered. Its zero value is an error.
type Selection struct {
	Taps []string // by name
	All  bool     // every tap of a bridge that has an uplink
	// Allow are instances that bridge by design: names of taps, MACs, or IDs
	// of ports or instances (these need Snapshot.Cloud). They are not filtered.
	Allow []string
	// Remove takes the filters away: of Taps, or with All the whole table.
	Remove bool
}

// PlanOptions say how long a plan may be applied.
type PlanOptions struct {
	Now   time.Time
	Valid time.Duration // zero: ten minutes, for taps come and go
}

// Plan decides which filters there shall be. It reads nothing but the snapshot.
// A plan without steps says that all is as selected. The error is compatible
// with errors.Is(err, stackmend.ErrRefused) if the selection is empty or
// contradicts itself; what must not be done for the host's sake is in the
// plan's Refusals.
//
// Taps that are filtered already stay so, whatever is selected, until they are
// gone or are removed.
func Plan(s *Snapshot, sel Selection, o PlanOptions) (*stackmend.Plan, error) {
	if len(sel.Taps) == 0 && !sel.All {
		return nil, fmt.Errorf("%w: no taps are selected", stackmend.ErrRefused)
	}
	if len(sel.Taps) > 0 && sel.All {
		return nil, fmt.Errorf("%w: all taps are selected and some by name", stackmend.ErrRefused)
	}
	if s.Host == nil {
		return nil, fmt.Errorf("%w: the host was not observed", stackmend.ErrRefused)
	}
	if o.Valid <= 0 {
		o.Valid = 10 * time.Minute
	}
	p := &stackmend.Plan{Check: "bpdu", Subject: s.Subject, Created: o.Now.UTC(), Expires: o.Now.Add(o.Valid).UTC(), Unseen: s.unseen()}
	for _, l := range s.Host.Links {
		if l.IsTap() {
			p.Exists.Instances++
		}
	}
	if len(s.Host.Unseen) > 0 {
		p.Refusals = append(p.Refusals, "the filters of this host could not be read: run as root, or with CAP_NET_ADMIN")
	}
	if t := s.Host.Table; t != nil && t.Foreign != "" {
		p.Refusals = append(p.Refusals, fmt.Sprintf("the table netdev %s is not ours: %s; look who made it (nft list table netdev %s)", TableName, t.Foreign, TableName))
	}
	want := s.choose(p, sel)
	if len(p.Refusals) == 0 {
		s.steps(p, want, sel)
	}
	return p, nil
}

// steps makes the one step that there is: the whole table.
func (s *Snapshot) steps(p *stackmend.Plan, want []string, sel Selection) {
	have := s.Host.Table.names()
	sound := !slices.ContainsFunc(have, func(tap string) bool { f, _ := s.Host.Table.filter(tap); return f.Fault != "" })
	if slices.Equal(want, have) && sound {
		return
	}
	step := stackmend.Step{Verb: VerbProtect, Target: "nft netdev " + TableName, Timeout: time.Minute,
		Args:    map[string]string{"taps": strings.Join(want, " "), "before": strings.Join(have, " ")},
		Assumes: s.Host.assumes(want),
		Cost:    stackmend.Cost{Instances: int64(len(want))},
		Reason:  fmt.Sprintf("BPDUs that come in by %s are dropped and counted; %d taps before", count(want), len(have)),
		Undo:    fmt.Sprintf("revert, or remove the table (nft delete table netdev %s); before: %s", TableName, count(have))}
	if len(want) == 0 {
		step.Verb = VerbRemove
		step.Reason = "the filters are no longer wanted"
		step.Cost.Instances = int64(len(have))
	}
	p.Steps = []stackmend.Step{step}
}

func count(taps []string) string {
	switch len(taps) {
	case 0:
		return "no tap"
	case 1, 2, 3:
		return strings.Join(taps, ", ")
	}
	return fmt.Sprintf("%d taps (%s ... %s)", len(taps), taps[0], taps[len(taps)-1])
}

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
		case l.Master == "ovs-system":
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
		case l.Master == "ovs-system":
			p.Kept = append(p.Kept, stackmend.Kept{Target: l.Name, Reason: "a port of Open vSwitch: what a filter does there was not measured"})
		case !ok || bridge.Kind != "bridge" || len(s.Host.reach(bridge)) == 0:
			p.Kept = append(p.Kept, stackmend.Kept{Target: l.Name, Reason: "in no bridge with an uplink"})
		default:
			out = append(out, l.Name)
		}
	}
	if len(out) == 0 && !sel.Remove {
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

// assumes is what a step rests on: the filters that there are, and which
// device each tap is.
func (h *Host) assumes(taps []string) map[string]string {
	a := map[string]string{"table": h.Table.assume()}
	for _, tap := range taps {
		l, ok := h.Link(tap)
		a["tap "+tap] = l.assume(ok)
	}
	return a
}

func (l Link) assume(exists bool) string {
	if !exists {
		return "absent"
	}
	return strconv.Itoa(l.Index) + " " + l.Kind + " in " + l.Master
}

// assume describes the table without its counters.
func (t *Table) assume() string {
	switch {
	case t == nil:
		return "absent"
	case t.Foreign != "":
		return "not ours: " + t.Foreign
	}
	var parts []string
	for _, f := range t.Taps {
		if f.Fault != "" {
			parts = append(parts, f.Tap+" ("+f.Fault+")")
			continue
		}
		parts = append(parts, f.Tap)
	}
	return "filters " + strings.Join(parts, " ")
}
