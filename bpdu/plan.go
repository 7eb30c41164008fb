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
		p.Refusals = append(p.Refusals, "not all was read of this host: "+strings.Join(s.Host.Unseen, "; "))
	}
	if t := s.Host.Table; t != nil && t.Foreign != "" {
		p.Refusals = append(p.Refusals, fmt.Sprintf("the table %[1]s %[2]s is not ours: %[3]s; look who made it (nft list table %[1]s %[2]s)", s.Host.Family, TableName, t.Foreign))
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
	step := stackmend.Step{Verb: VerbProtect, Target: s.Host.Family.target(), Timeout: time.Minute,
		Args:    map[string]string{"taps": strings.Join(want, " "), "before": strings.Join(have, " ")},
		Assumes: s.Host.assumes(want),
		Cost:    stackmend.Cost{Instances: int64(len(want))},
		Reason:  fmt.Sprintf("BPDUs that come in by %s are dropped and counted; %d taps before", count(want), len(have)),
		Undo:    fmt.Sprintf("revert, or remove the table (nft delete table %s %s); before: %s", s.Host.Family, TableName, count(have))}
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
