package imagecache

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/stackmend/stackmend"
)

// The verbs of this package's steps.
const (
	VerbQuarantine = "quarantine" // move an unused base image out of the base directory
	VerbRestore    = "restore"    // move it back
	VerbPurge      = "purge"      // delete it from the quarantine; cannot be undone
	VerbRescue     = "rescue"     // copy back a deleted base image that a process still holds
)

// What a step assumes, beside its own.
const (
	seenInode      = "inode"
	seenSize       = "size"
	seenMtime      = "mtime"
	seenReferences = "references"
	seenUsers      = "users"
	seenTarget     = "target"      // whether the place it goes to is free
	seenSince      = "quarantined" // since when
	argEntry       = "entry"       // in the quarantine
	argQuarantine  = "quarantine"  // directory
	argPID         = "pid"
	argFD          = "fd"
	none           = "none"
	free           = "free"
)

// Quarantine plans to move every unused base image into the quarantine. While
// a host cannot be accounted for, or a file cannot be read, it plans nothing,
// keeps everything and says why.
func Quarantine(s *Snapshot, p Policy) (*stackmend.Plan, error) {
	p, err := s.ready(p)
	if err != nil {
		return nil, err
	}
	plan := s.plan(p)
	plan.Refusals = s.refusals(p)
	if s.Site.Quarantine == "" {
		plan.Refusals = append(plan.Refusals, "no quarantine directory was given")
	}
	unused, kept := newUses(s).unused(p)
	for _, b := range unused {
		if len(plan.Refusals) > 0 {
			kept[b.Name] = "nothing seen refers to it, but not all can be accounted for: " + plan.Refusals[0]
			continue
		}
		plan.Steps = append(plan.Steps, s.quarantineStep(b, p))
	}
	plan.Kept = keptList(kept)
	return plan, nil
}

// plan is what all plans have in common.
func (s *Snapshot) plan(p Policy) *stackmend.Plan {
	plan := &stackmend.Plan{Check: check, Subject: s.Site.Dir, Created: s.At, Expires: s.At.Add(p.Valid), Unseen: s.unseen(p)}
	for _, b := range s.Bases {
		plan.Exists.Rows++
		plan.Exists.Bytes += b.Bytes
	}
	if s.Fleet != nil {
		plan.Exists.Instances = int64(len(s.Fleet.Servers))
	}
	return plan
}

// refusals are why nothing may be taken away.
func (s *Snapshot) refusals(p Policy) []string {
	if f, ok := s.notApplicable(); ok {
		return []string{f.Message}
	}
	return s.blind(s.census().gaps(p))
}

func (s *Snapshot) unseen(p Policy) []string {
	u := []string{"who has images open on other hosts"}
	if !s.Config.Read {
		u = append(u, "nova.conf: nova's defaults are assumed")
	}
	if s.Glance == nil {
		u = append(u, "the images that Glance has")
	} else {
		u = append(u, s.Glance.Incomplete...)
	}
	for _, h := range keys(p.Gone) {
		u = append(u, "host "+h+": gone for good, says the operator: "+p.Gone[h])
	}
	for _, h := range keys(p.Elsewhere) {
		u = append(u, "host "+h+": does not share this filesystem, says the operator: "+p.Elsewhere[h])
	}
	return u
}

func keptList(kept map[string]string) []stackmend.Kept {
	var out []stackmend.Kept
	for _, name := range keys(kept) {
		out = append(out, stackmend.Kept{Target: writable8(name), Reason: kept[name]})
	}
	return out
}

// writable8 keeps names that are not UTF-8 from making the plan unwritable.
func writable8(name string) string {
	if validName(name) {
		return name
	}
	return strconv.QuoteToASCII(name)
}

func (s *Snapshot) quarantineStep(b Base, p Policy) stackmend.Step {
	args := p.args(s.Site)
	args[argQuarantine] = s.Site.Quarantine
	args[argEntry] = entryID(b.Name, b.Inode)
	return stackmend.Step{
		Verb: VerbQuarantine, Target: b.Name, Args: args,
		Reason: fmt.Sprintf("nothing refers to it, last touched %s", stamp(b.ModTime)),
		Undo:   "restore " + args[argEntry],
		Assumes: map[string]string{
			seenInode: strconv.FormatUint(b.Inode, 10), seenSize: strconv.FormatInt(b.Size, 10), seenMtime: stamp(b.ModTime),
			seenReferences: none, seenUsers: none, seenTarget: free,
		},
		Cost: stackmend.Cost{Rows: 1, Bytes: b.Bytes},
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Restore plans to put the named images back: names of base images, or of
// entries of the quarantine where one name lies there twice. Nothing is ever
// replaced. A host that is down is no reason against it.
func Restore(s *Snapshot, names []string, p Policy) (*stackmend.Plan, error) {
	p, err := s.ready(p)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("imagecache: no image to restore was named")
	}
	plan := s.plan(p)
	kept := map[string]string{}
	for _, e := range s.Entries {
		kept[e.ID] = "was not named"
	}
	for _, name := range names {
		e, err := s.entry(name)
		if err != nil {
			plan.Refusals = append(plan.Refusals, err.Error())
			continue
		}
		if reason := s.occupied(e); reason != "" {
			kept[e.ID] = reason
			continue
		}
		if _, ok := kept[e.ID]; ok {
			delete(kept, e.ID)
			plan.Steps = append(plan.Steps, s.restoreStep(e))
		}
	}
	plan.Kept = keptList(kept)
	return plan, nil
}

// entry finds the one entry of that ID or name.
func (s *Snapshot) entry(name string) (Entry, error) {
	var found []Entry
	for _, e := range s.Entries {
		if e.ID == name || e.Manifest.Name == name {
			found = append(found, e)
		}
	}
	switch {
	case len(found) == 0:
		return Entry{}, fmt.Errorf("%q is not in the quarantine %s", name, s.Site.Quarantine)
	case len(found) > 1:
		return Entry{}, fmt.Errorf("%q is in the quarantine %d times: name one of %s and so on", name, len(found), found[0].ID)
	case found[0].Problem != "":
		return Entry{}, fmt.Errorf("%s: %s", name, found[0].Problem)
	}
	return found[0], nil
}

func (s *Snapshot) occupied(e Entry) string {
	if slices.ContainsFunc(s.Bases, func(b Base) bool { return b.Name == e.Manifest.Name }) {
		return "a file of that name is in the base directory again"
	}
	return ""
}

func (s *Snapshot) restoreStep(e Entry) stackmend.Step {
	return stackmend.Step{
		Verb: VerbRestore, Target: e.Manifest.Name,
		Args:    map[string]string{argDir: s.Site.baseDir(), argQuarantine: s.Site.Quarantine, argEntry: e.ID},
		Reason:  "named by the operator; quarantined " + stamp(e.Since),
		Undo:    "quarantine " + e.Manifest.Name + " again",
		Assumes: s.entryAssumes(e),
		Cost:    stackmend.Cost{Rows: 1, Bytes: e.Manifest.Bytes},
	}
}

func (s *Snapshot) entryAssumes(e Entry) map[string]string {
	return map[string]string{
		seenInode: strconv.FormatUint(e.Manifest.Inode, 10), seenSize: strconv.FormatInt(e.Manifest.Size, 10), seenTarget: free,
	}
}
