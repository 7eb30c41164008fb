package consolelog

import (
	"fmt"
	"strconv"

	"github.com/stackmend/stackmend"
)

// The codes of findings.
const (
	TooLarge          = "too-large"
	Growing           = "growing"
	Unbounded         = "unbounded"
	FilesystemFilling = "filesystem-filling"
	UnknownWriter     = "unknown-writer"
	Hammered          = "console-hammered"
	Unseen            = "unseen" // something could not be read: this is no health
)

// The name of this check in results and plans.
const check = "consolelog"

// Check says what is wrong with the console logs of a host. It is pure. The
// error is of the policy.
func Check(s *Snapshot, p Policy) (stackmend.Result, error) {
	p = p.withDefaults()
	r := stackmend.Result{Check: check, Subject: s.Root, Status: stackmend.Unknown, Started: s.At, Finished: s.At}
	if err := p.valid(); err != nil {
		return r, err
	}
	for _, l := range s.Logs {
		r.Findings = append(r.Findings, p.judge(s, l)...)
	}
	r.Findings = append(r.Findings, unbounded(s)...)
	r.Findings = append(r.Findings, p.filling(s)...)
	r.Findings = append(r.Findings, p.hammered(s)...)
	r.Findings = append(r.Findings, unseen(s)...)
	r.Status = stackmend.OK
	for _, f := range r.Findings {
		r.Status = stackmend.Worst(r.Status, f.Status)
	}
	return r, nil
}

// Plan says which logs would be bounded, and how. It is pure. Logs above the
// limit that must be left alone stand in Kept, with the reason. The error is
// of the policy, or that an archive is asked for and the snapshot has not seen
// its filesystem.
func Plan(s *Snapshot, p Policy) (*stackmend.Plan, error) {
	p = p.withDefaults()
	if err := p.valid(); err != nil {
		return nil, err
	}
	if p.Archive != "" && s.Archive == nil {
		return nil, fmt.Errorf("consolelog: archive %s: set Source.Archive, to see its free space", p.Archive)
	}
	out := &stackmend.Plan{Check: check, Subject: s.Root, Created: s.At, Expires: s.At.Add(p.Valid), Unseen: s.Unseen}
	for _, l := range s.Logs {
		out.Exists.Bytes += l.Held()
		if !p.exceeds(l) {
			continue
		}
		method, why := p.method(s, l)
		if why != "" {
			out.Kept = append(out.Kept, stackmend.Kept{Target: l.Path, Reason: why})
			continue
		}
		out.Steps = append(out.Steps, p.step(l, method))
	}
	if full := p.archiveFull(s); full != "" && len(out.Steps) > 0 {
		out.Refusals = append(out.Refusals, full)
	}
	return out, nil
}

func (p Policy) exceeds(l Log) bool { return l.Mode.IsRegular() && l.Held() > p.Limit }

// archiveFull says that the archive has no room for even one segment.
func (p Policy) archiveFull(s *Snapshot) string {
	if p.Archive == "" || s.Archive.Free >= archiveReserve {
		return ""
	}
	return fmt.Sprintf("%s has %s free, an archive needs %s: make room, or name another -archive",
		p.Archive, size(s.Archive.Free), size(archiveReserve))
}

// archiveReserve is the room that an archive must have: for one segment that
// does not compress, and some for others who use that disk.
const archiveReserve = defaultSegment + 64<<20

// Verb of all steps, and the keys of their Args and Assumes.
const (
	verbBound   = "bound"
	argMethod   = "method"
	argLimit    = "limit"
	argKeep     = "keep"
	argArchive  = "archive"
	seenFile    = "file"
	seenWriters = "writers"
)

func (p Policy) step(l Log, method string) stackmend.Step {
	st := stackmend.Step{
		Verb: verbBound, Target: l.Path,
		Args:   map[string]string{argMethod: method, argLimit: strconv.FormatInt(p.Limit, 10), argKeep: strconv.FormatInt(p.Keep, 10)},
		Reason: fmt.Sprintf("it holds %s, the limit is %s; written by %s", size(l.Held()), size(p.Limit), describe(l.Writers)),
		Assumes: map[string]string{
			seenFile:    fileID{l.Dev, l.Ino}.String(),
			seenWriters: describe(l.Writers),
		},
		Cost: stackmend.Cost{Bytes: l.Held() - p.Keep, Instances: 1},
	}
	if p.Archive == "" {
		st.Reason += "; without an archive the rest is gone for good: name an -archive, or permit that with -discard (Options.Irreversible)"
	} else {
		st.Args[argArchive] = p.Archive
		st.Undo = "the removed bytes are in " + p.Archive + ", with a manifest for each range: zstd -dc them in order"
	}
	return st
}

func (id fileID) String() string { return fmt.Sprintf("device %d inode %d", id.dev, id.ino) }

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
