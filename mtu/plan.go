package mtu

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/stackmend/stackmend"
)

// The verbs of this package's steps.
const (
	VerbSetMTU  = "set-mtu"
	VerbConfirm = "confirm"
)

// ErrSelection: a change names no link, or a link that was not seen.
var ErrSelection = errors.New("mtu: nothing to change was selected")

// A Change is the MTU that a link shall have.
type Change struct {
	Link string
	MTU  int // bytes
}

// PlanOptions are how a plan is made.
type PlanOptions struct {
	Now     time.Time     // when the plan is made
	Expires time.Duration // how long it may be applied; 0: one hour
	// Confirm makes the plan end in a step that waits for the operator; if he
	// does not confirm, everything is set back.
	Confirm bool
	// Carrier is how long a link may be without carrier after a change, which
	// resets some devices. 0: 30 seconds.
	Carrier time.Duration
}

// Plan says in which order the links of one host get their MTU: what is
// lowered from the top down, what is raised from the bottom up, the members of
// a bond one at a time and before the bond itself, for the kernel changes all
// members at once with the bond.
//
// The plan has refusals where the kernel would refuse a change, or change or
// cut a link that was not named. The changes live until the next boot: the
// last of the plan's Kept says which lines make them stay.
//
// The error is compatible with errors.Is(err, ErrSelection) if there are no
// changes, or if they name what was not seen.
func Plan(h Host, changes []Change, o PlanOptions) (*stackmend.Plan, error) {
	g, err := newGraph(&h)
	if err != nil {
		return nil, fmt.Errorf("mtu: host %s: %w", h.Name, err)
	}
	d, err := newDraft(g, changes)
	if err != nil {
		return nil, err
	}
	p := &stackmend.Plan{Check: checkName, Subject: h.Name, Created: o.Now, Unseen: h.Unseen}
	p.Expires = o.Now.Add(cmp.Or(o.Expires, time.Hour))
	d.refuse(p)
	d.steps(p, cmp.Or(o.Carrier, 30*time.Second))
	if o.Confirm && len(p.Steps) > 0 {
		p.Steps = append(p.Steps, confirmStep(h.Name))
	}
	for _, s := range p.Steps {
		if s.Verb == VerbSetMTU {
			p.Kept = append(p.Kept, stackmend.Kept{Target: s.Target,
				Reason: "its persistent configuration is not touched; to keep this over a reboot: " + Persist(s.Args["link"], s.Args["mtu"])})
		}
	}
	return p, nil
}

func confirmStep(host string) stackmend.Step {
	return stackmend.Step{Verb: VerbConfirm, Target: host, Group: group(host), Undo: "nothing to undo",
		Reason: "everything is set back unless the operator confirms that the host is still reached"}
}

func group(host string) string { return "mtu " + host }

// Persist returns the lines that make an MTU stay, for the ways in which
// Debian, Ubuntu and Red Hat keep them.
func Persist(link, mtu string) string {
	return fmt.Sprintf("systemd-networkd [Link] MTUBytes=%s in the .network file of %s; netplan %s: {mtu: %s}; ifupdown \"mtu %s\" in iface %s; nmcli connection modify %s 802-3-ethernet.mtu %s",
		mtu, link, link, mtu, mtu, link, link, mtu)
}

func (d *draft) steps(p *stackmend.Plan, carrier time.Duration) {
	host := d.g.host.Name
	for _, l := range d.change {
		was, will := strconv.Itoa(l.MTU), strconv.Itoa(d.want[l])
		s := stackmend.Step{
			Verb: VerbSetMTU, Target: Port{host, l.Name}.String(), Group: group(host),
			Args:    map[string]string{"link": l.Name, "mtu": will, "was": was, "carrier": carrier.String()},
			Reason:  fmt.Sprintf("from %s to %s", was, will),
			Undo:    fmt.Sprintf("ip link set dev %s mtu %s", l.Name, was),
			Assumes: l.state(d.g),
			Timeout: carrier + time.Minute,
		}
		if l.Kind == Bridge {
			s.Reason += "; a bridge keeps an MTU that was set by hand, and no longer follows its ports, not even after it was set back"
			delete(s.Assumes, "mtu") // it follows its ports, which are changed before
		}
		p.Steps = append(p.Steps, s)
	}
}

// state is what a step assumes of its link.
func (l *Link) state(g *graph) map[string]string {
	s := map[string]string{
		"index": strconv.Itoa(l.Index), "kind": string(l.Kind), "mtu": strconv.Itoa(l.MTU),
		"parent": strconv.Itoa(l.Parent), "master": strconv.Itoa(l.Master),
		"carrier": strconv.FormatBool(l.Up && l.Carrier),
	}
	if l.Kind == VLAN {
		s["vlan"] = l.Tag.String()
	}
	if l.isBond() {
		var names []string
		for _, m := range g.ports[l.Index] {
			names = append(names, m.Name)
		}
		slices.Sort(names)
		s["members"] = fmt.Sprint(names)
	}
	return s
}

// Raise returns what the links of a path on one host must have so that
// packets of mtu bytes pass it: one tag is free, further ones and tunnels take
// room. Links that have enough are left out.
func Raise(h Host, p Path, mtu int) ([]Change, error) {
	g, err := newGraph(&h)
	if err != nil {
		return nil, fmt.Errorf("mtu: host %s: %w", h.Name, err)
	}
	var out []Change
	adds, tags := 0, 0
	for _, hop := range p.Hops {
		l := g.byName[hop.Link]
		if hop.Host != h.Name || l == nil {
			continue
		}
		free := 0
		if l.Kind != VLAN && tags > 0 {
			free = 1
		}
		need := mtu + adds + tagBytes*(tags-free)
		out = appendRaise(out, l, need)
		for _, also := range hop.Also {
			if m := g.byName[also]; m != nil && l.Master != 0 && m.Master == l.Master {
				out = appendRaise(out, m, need)
			}
		}
		switch {
		case hop.Tag != nil:
			tags++
		case hop.Adds > 0:
			adds, tags = adds+hop.Adds, 0
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: every link of %s from %s on has room for %d", ErrSelection, h.Name, p.Entrance().Link, mtu)
	}
	return out, nil
}

func appendRaise(out []Change, l *Link, need int) []Change {
	if l.MTU < need {
		return append(out, Change{l.Name, need})
	}
	return out
}
