package dhcp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// The verbs of steps. Those of a remedy that takes something down and puts it
// back are a group: whatever ends the run in between, it is put back.
const (
	VerbLinkDown     = "link-down"
	VerbLinkUp       = "link-up" // and a sign of life was seen
	VerbGuestRestart = "guest-restart"
	VerbPortDown     = "port-down"
	VerbPortUp       = "port-up" // and a sign of life was seen
)

// A Selection says which instances are to be helped. Its zero value is an
// error.
type Selection struct {
	MACs []MAC
	All  bool // every one whose verdict says that something can help
	// From leaves out the remedies that are milder: they were tried, and did
	// not help. Empty: the mildest.
	From Remedy
}

// PlanOptions bound a plan.
type PlanOptions struct {
	Now   time.Time
	Valid time.Duration // how long the plan may be applied; zero: ten minutes
	Wait  time.Duration // how long a sign of life is waited for; zero: two minutes
}

// Plan decides what is done to which instance: for each one remedy, the
// mildest that its verdict calls helpful and for which it is known enough, one
// instance after the other. It reads nothing but the snapshot. The error is
// compatible with errors.Is(err, stackmend.ErrRefused) if the selection is empty
// or contradicts itself. Without a verdict that says that something can help
// there is no step; why is in the plan's Kept, and in its Refusals if nothing
// is left to do.
//
// A reboot and a longer lease time are never planned; see [RebootAdvice] and
// [Longer].
func Plan(s *Snapshot, sel Selection, o PlanOptions) (*stackmend.Plan, error) {
	if err := sel.valid(); err != nil {
		return nil, err
	}
	p := &stackmend.Plan{Check: "dhcp", Subject: s.Subject, Created: o.Now.UTC(), Unseen: s.unseen()}
	p.Expires = p.Created.Add(cmp.Or(max(o.Valid, 0), 10*time.Minute))
	wait := cmp.Or(max(o.Wait, 0), 2*time.Minute)
	verdicts := Judge(s)
	p.Exists.Instances = int64(len(verdicts))
	for _, v := range verdicts {
		if !sel.All && !slices.Contains(sel.MACs, v.MAC) {
			continue
		}
		r, why := v.choose(sel)
		if r == "" {
			p.Kept = append(p.Kept, stackmend.Kept{Target: v.target(), Reason: why})
			continue
		}
		p.Steps = append(p.Steps, v.steps(r, p.Created, wait, len(p.Steps))...)
	}
	for _, m := range sel.MACs {
		if !slices.ContainsFunc(verdicts, func(v Verdict) bool { return v.MAC == m }) {
			p.Kept = append(p.Kept, stackmend.Kept{Target: m.String(), Reason: "nothing was seen of it: there is no verdict"})
		}
	}
	if len(p.Steps) == 0 {
		p.Refusals = append(p.Refusals, "no selected instance has a verdict that says that one of these remedies can help")
	}
	return p, nil
}

func (sel Selection) valid() error {
	switch {
	case len(sel.MACs) == 0 && !sel.All:
		return fmt.Errorf("%w: no instances are selected", stackmend.ErrRefused)
	case len(sel.MACs) > 0 && sel.All:
		return fmt.Errorf("%w: all instances are selected and some by MAC", stackmend.ErrRefused)
	case sel.From != "" && !slices.Contains(ladder, sel.From):
		return fmt.Errorf("%w: %q is no remedy", stackmend.ErrRefused, sel.From)
	}
	return nil
}

// ladder are all remedies, mildest first.
var ladder = []Remedy{LinkDownUp, GuestRestart, PortDownUp}

// choose returns the mildest remedy that can help, or why there is none.
func (v Verdict) choose(sel Selection) (Remedy, string) {
	all := v.Remedies()
	if len(all) == 0 {
		return "", v.without()
	}
	why := "milder remedies were tried; what is left: " + RebootAdvice
	for _, r := range all {
		switch {
		case slices.Index(ladder, r) < slices.Index(ladder, sel.From):
		case !v.Instance.allows(r):
			why = fmt.Sprintf("%s could help, and %s is not known of the instance", r, r.needs())
		default:
			return r, ""
		}
	}
	return "", why
}

// without says why nothing that is done to the instance can help.
func (v Verdict) without() string {
	switch {
	case v.Status == stackmend.OK || v.Status == stackmend.Warn:
		return fmt.Sprintf("%s: it needs no help now", v.Code)
	case v.Code == Undetermined:
		return "undetermined: refused without a verdict that says that it can help"
	case v.Confidence < stackmend.Medium:
		return fmt.Sprintf("%s with %s confidence: too little to act on", v.Code, v.Confidence)
	case len(v.Could) > 0:
		return fmt.Sprintf("it could be %s: too little to act on; capture first: %s", strings.Join(v.Could, " or "), strings.Join(v.Capture, "; "))
	}
	return fmt.Sprintf("%s: nothing that is done to the instance can help. %s", v.Code, v.Fix)
}

// RebootAdvice is for a person: a reboot loses what the instance was doing,
// and the state that would show the cause.
const RebootAdvice = "a hard reboot of the instance, which a person decides on: it ends what runs there and the evidence; first save the counters of the tap and qemu's version"

// next is the remedy to try where this one does not help: the mildest that is
// not as mild, and for which the instance is known enough. Empty: none is left.
func (v Verdict) next(r Remedy) Remedy {
	for _, other := range v.Remedies() {
		if slices.Index(ladder, other) > slices.Index(ladder, r) && v.Instance.allows(other) {
			return other
		}
	}
	return ""
}

// allows reports whether enough is known of the instance for the remedy.
func (i Instance) allows(r Remedy) bool {
	if r == PortDownUp {
		return i.Port != ""
	}
	return i.domain() != ""
}

// domain is libvirt's name of the instance: nova gives domains the UUID of the
// instance.
func (i Instance) domain() string { return cmp.Or(i.Domain, i.ID) }

func (r Remedy) needs() string {
	if r == PortDownUp {
		return "the port"
	}
	return "the domain"
}

func (v Verdict) target() string {
	return cmp.Or(v.Instance.ID, v.Instance.Domain, v.Instance.Name, v.MAC.String())
}

// verbsOf are the verbs of a remedy.
var verbsOf = map[Remedy][]string{LinkDownUp: {VerbLinkDown, VerbLinkUp}, GuestRestart: {VerbGuestRestart}, PortDownUp: {VerbPortDown, VerbPortUp}}

// steps are those of one remedy for one instance, in a stage of its own.
func (v Verdict) steps(r Remedy, now time.Time, wait time.Duration, stage int) (out []stackmend.Step) {
	for i, verb := range verbsOf[r] {
		s := stackmend.Step{Verb: verb, Target: v.target(), Stage: stage, Timeout: time.Minute, Args: v.args(r, now, wait),
			Assumes: map[string]string{"network": "silent"},
			Reason:  fmt.Sprintf("%s (%s): %s", v.Code, v.Confidence, v.Message), Undo: undo[verb]}
		if len(verbsOf[r]) > 1 {
			s.Group = string(r) + " " + v.MAC.String()
		}
		switch {
		case i == 0:
			s.Cost = stackmend.Cost{Instances: 1}
		default: // what the first step has changed
			s.Assumes = nil
		}
		if verb == VerbLinkDown {
			s.Assumes["link"] = "up"
		}
		if verb == VerbPortDown {
			s.Assumes["port"] = "up"
		}
		out = append(out, s)
	}
	return out
}

var undo = map[string]string{
	VerbLinkDown: "the link is put up (virsh domif-setlink ... up)", VerbLinkUp: "nothing: the link stays up",
	VerbGuestRestart: "nothing: the networking is restarted with the configuration that it has",
	VerbPortDown:     "the port is put up (openstack port set --enable)", VerbPortUp: "nothing: the port stays up",
}

func (v Verdict) args(r Remedy, now time.Time, wait time.Duration) map[string]string {
	a := map[string]string{"mac": v.MAC.String(), "since": now.UTC().Format(time.RFC3339Nano), "wait": wait.String(), "proof": "lease or traffic"}
	if v.Code == RepliesLost || v.Code == RequestsLost || v.Code == ClientDied {
		a["proof"] = "lease" // other traffic goes on
	}
	if next := v.next(r); next != "" {
		a["next"] = string(next)
	}
	if r == PortDownUp {
		a["port"] = v.Instance.Port
	} else {
		a["domain"] = v.Instance.domain()
	}
	return a
}

// A LongerLease is what another lease time would mean. It is offered as data.
type LongerLease struct {
	Now, Then         time.Duration
	LoadNow, LoadThen float64       // renewals a second
	Unnoticed         time.Duration // how long an instance keeps its address without a renewal, at most
	Says              string
}

// Longer says what a longer lease time would do for the failures of a number
// of clients: hide them for longer, and cure none.
func Longer(clients int, now, then time.Duration) LongerLease {
	return LongerLease{Now: now, Then: then, LoadNow: RenewalLoad(clients, now), LoadThen: RenewalLoad(clients, then), Unnoticed: then,
		Says: fmt.Sprintf("a lease of %v instead of %v hides a network that has stopped for up to %v, and cures nothing: the traffic has ended all the same", then, now, then)}
}
