package pressure

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// The verbs of this package's steps. All but the last three set a value that
// stood at another one before, and are undone by setting that again.
const (
	VerbFlag      = "set-flag"         // of the OSD map, NAME or NAME@HOST: true or false
	VerbConfig    = "set-config"       // "WHO NAME" in the monitors' database; empty: removed
	VerbInject    = "inject-config"    // "WHO NAME" of the daemons that run: before Mimic nothing else keeps it
	VerbPool      = "set-pool"         // "POOL VARIABLE"
	VerbBalancer  = "set-balancer"     // on or off
	VerbReweight  = "reweight"         // osd.N
	VerbConfirm   = "confirm"          // read everything again after a while
	VerbRaise     = "raise"            // recovery step by step, until all is clean
	VerbHeap      = "release-heap"     // osd.N gives free pages back to its kernel
	VerbHardLimit = "set-pglog-limits" // the flag pglog_hardlimit, for ever
)

// A Policy says how a plan is made. The zero value takes the defaults that
// stand beside the fields.
type Policy struct {
	Settle  time.Duration // 1 min: when values are read from the daemons again
	Expires time.Duration // 15 min: how long the plan may be applied
}

func (p Policy) settle() time.Duration {
	if p.Settle > 0 {
		return p.Settle
	}
	return time.Minute
}

func (p Policy) newPlan(check string, s *ceph.Snapshot) *stackmend.Plan {
	life := p.Expires
	if life <= 0 {
		life = 15 * time.Minute
	}
	plan := &stackmend.Plan{Check: "ceph-pressure-" + check, Subject: s.FSID, Created: s.Taken, Expires: s.Taken.Add(life)}
	for _, u := range s.Unseen {
		plan.Unseen = append(plan.Unseen, fmt.Sprint(u))
	}
	plan.Refusals = unfit(s)
	return plan
}

func refuse(plan *stackmend.Plan, format string, a ...any) {
	plan.Refusals = append(plan.Refusals, fmt.Sprintf(format, a...))
}

func keep(plan *stackmend.Plan, target, format string, a ...any) {
	plan.Kept = append(plan.Kept, stackmend.Kept{Target: target, Reason: fmt.Sprintf(format, a...)})
}

// unfit says why nothing may be changed in this cluster by what was seen.
func unfit(s *ceph.Snapshot) []string {
	var why []string
	if s.FSID == "" || s.Epoch <= 0 {
		why = append(why, "the cluster's fsid or the epoch of its OSD map was not seen: observe again")
	}
	if s.Epoch != s.EpochEnd {
		why = append(why, fmt.Sprintf("the OSD map moved from epoch %d to %d while it was looked at: observe again", s.Epoch, s.EpochEnd))
	}
	if !s.Mgr.Seen || !s.Mgr.Available {
		why = append(why, "no manager is available, and what it says of the PGs is old: bring it back first")
	}
	return why
}

// ofKnownRelease refuses where it is not known how a setting can be changed.
func ofKnownRelease(s *ceph.Snapshot, plan *stackmend.Plan) {
	if s.Lowest().Major == 0 {
		refuse(plan, "the release of an OSD was not seen: whether settings are kept in a database or injected is not known")
	}
}

// up are the OSDs that are up.
func up(s *ceph.Snapshot) []ceph.OSD {
	var out []ceph.OSD
	for _, o := range s.OSDs {
		if o.Up {
			out = append(out, o)
		}
	}
	return out
}

// members are the OSDs that exist, as ranges of those that are up and of those
// that are in: "up 0-2,4 in 0-4". An OSD that came since was not judged.
func members(ids []int, isUp, isIn func(int) bool) string {
	var a, b []int
	for _, id := range ids {
		if isUp(id) {
			a = append(a, id)
		}
		if isIn(id) {
			b = append(b, id)
		}
	}
	return fmt.Sprintf("%d: up %s in %s", len(ids), ranges(a), ranges(b))
}

// ranges writes sorted numbers: 0-2,4.
func ranges(ids []int) string {
	var out []string
	for i := 0; i < len(ids); {
		k := i
		for k+1 < len(ids) && ids[k+1] == ids[k]+1 {
			k++
		}
		text := strconv.Itoa(ids[i])
		if k > i {
			text += "-" + strconv.Itoa(ids[k])
		}
		out, i = append(out, text), k+1
	}
	return strings.Join(out, ",")
}

func seenMembers(s *ceph.Snapshot) string {
	var ids []int
	for _, o := range s.OSDs {
		ids = append(ids, o.ID)
	}
	return members(ids, func(id int) bool { return s.OSD(id).Up }, func(id int) bool { return s.OSD(id).In })
}

// set is a step that changes a value and can change it back.
func set(s *ceph.Snapshot, verb, target, was, value, reason string) stackmend.Step {
	return stackmend.Step{
		Verb: verb, Target: target, Args: map[string]string{"value": value, "was": was}, Reason: reason,
		Undo:    fmt.Sprintf("set it to %q again", was),
		Assumes: map[string]string{"fsid": s.FSID, "value": was},
	}
}

// same compares values as Ceph writes them: 0.1 and 0.100000 are alike.
func same(a, b string) bool {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return a == b || (err1 == nil && err2 == nil && x == y)
}
