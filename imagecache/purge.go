package imagecache

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/stackmend/stackmend"
)

// Purge plans to delete what has lain in the quarantine for longer than the
// retention. It cannot be undone, and asks all that Quarantine asks again.
func Purge(s *Snapshot, p Policy) (*stackmend.Plan, error) {
	p, err := s.ready(p)
	if err != nil {
		return nil, err
	}
	plan := s.plan(p)
	plan.Refusals = s.refusals(p)
	plan.Exists = stackmend.Cost{Instances: plan.Exists.Instances}
	u := newUses(s)
	kept := map[string]string{}
	for _, e := range s.Entries {
		plan.Exists.Rows++
		plan.Exists.Bytes += e.Manifest.Bytes
		reason := u.keeps(e, p)
		if reason == "" && len(plan.Refusals) > 0 {
			reason = "not all can be accounted for: " + plan.Refusals[0]
		}
		if reason != "" {
			kept[e.ID] = reason
			continue
		}
		plan.Steps = append(plan.Steps, s.purgeStep(e, p))
	}
	plan.Kept = keptList(kept)
	return plan, nil
}

// keeps says why the entry stays in the quarantine.
func (u uses) keeps(e Entry, p Policy) string {
	switch age := u.s.At.Sub(e.Since); {
	case e.Problem != "":
		return e.Problem
	case -age > p.MaxSkew:
		return "quarantined in the future: clock skew"
	case age < p.Retention:
		return fmt.Sprintf("quarantined %s, less than %v ago", stamp(e.Since), p.Retention)
	case len(e.Users) > 0:
		return "open on this host: " + strings.Join(e.Users, ", ")
	}
	return u.reason(e.Manifest.Name)
}

func (s *Snapshot) purgeStep(e Entry, p Policy) stackmend.Step {
	args := p.args(s.Site)
	args[argQuarantine], args[argEntry] = s.Site.Quarantine, e.ID
	assumes := s.entryAssumes(e)
	delete(assumes, seenTarget)
	assumes[seenReferences], assumes[seenUsers], assumes[seenSince] = none, none, stamp(e.Since)
	return stackmend.Step{
		Verb: VerbPurge, Target: e.ID, Args: args, Assumes: assumes,
		Reason: fmt.Sprintf("in the quarantine since %s, and nothing refers to it", stamp(e.Since)),
		Cost:   stackmend.Cost{Rows: 1, Bytes: e.Manifest.Bytes},
	}
}

// Rescue plans to copy back every base image that was deleted while a process
// of this host had it open. A host that is down is no reason against it.
// Where a file was deleted by another NFS client there is nothing to copy:
// the server has dropped it, and reading gives ESTALE.
func Rescue(s *Snapshot, p Policy) (*stackmend.Plan, error) {
	p, err := s.ready(p)
	if err != nil {
		return nil, err
	}
	plan := s.plan(p)
	if s.Hidden != "" {
		plan.Unseen = append(plan.Unseen, "the open files of some processes: "+s.Hidden)
	}
	there, count := map[string]bool{}, map[string]int{}
	for _, b := range s.Bases {
		there[b.Name] = true
	}
	for _, d := range s.Deleted {
		count[d.Name]++
	}
	kept := map[string]string{}
	for _, d := range s.Deleted {
		switch {
		case there[d.Name]:
			kept[d.Name] = "a file of that name is in the base directory again"
		case d.Written:
			kept[d.Name] = fmt.Sprintf("%s (pid %d) has it open for writing", d.Process, d.PID)
		case count[d.Name] > 1:
			kept[d.Name] = "two deleted files of that name are held: which one is right cannot be told"
		default:
			plan.Steps = append(plan.Steps, s.rescueStep(d))
		}
	}
	plan.Kept = keptList(kept)
	return plan, nil
}

func (s *Snapshot) rescueStep(d Deleted) stackmend.Step {
	return stackmend.Step{
		Verb: VerbRescue, Target: d.Name,
		Args:   map[string]string{argDir: s.Site.baseDir(), argPID: strconv.Itoa(d.PID), argFD: strconv.Itoa(d.FD)},
		Reason: fmt.Sprintf("deleted, and %s (pid %d) still has it open", d.Process, d.PID),
		Undo:   "quarantine " + d.Name,
		Assumes: map[string]string{
			seenInode: strconv.FormatUint(d.Inode, 10), seenSize: strconv.FormatInt(d.Size, 10), seenTarget: free,
		},
		Cost: stackmend.Cost{Rows: 1, Bytes: d.Bytes},
	}
}
