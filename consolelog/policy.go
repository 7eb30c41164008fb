package consolelog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Policy is what an operator wants of console logs. Limit is needed; a zero
// elsewhere has the meaning that stands with it.
type Policy struct {
	Limit int64 // bytes that a log may hold
	Keep  int64 // bytes of its end that stay: 1 MiB, and at least NovaReads

	Growth  int64         // bytes per second that call for attention; 0: not judged
	Free    float64       // percent of a filesystem that should be free; 0: 5
	Horizon time.Duration // a filesystem that is full sooner is a finding; 0: a day
	Answers int64         // bytes of one console for one user, over what was read of nova-api's log; 0: 64 MiB

	// Writers names programs beside qemu that may write logs which are
	// bounded. They are not asked whether they bear it.
	Writers []string
	// Archive is the folder that removed bytes are copied to first. Without
	// it a step cannot be undone and needs Options.Irreversible.
	Archive string
	Valid   time.Duration // for which a plan may be carried out; 0: 15 minutes
}

func (p Policy) withDefaults() Policy {
	p.Keep = cmp.Or(p.Keep, 1<<20)
	p.Free = cmp.Or(p.Free, 5)
	p.Horizon = cmp.Or(p.Horizon, 24*time.Hour)
	p.Answers = cmp.Or(p.Answers, 64<<20)
	p.Valid = cmp.Or(p.Valid, 15*time.Minute)
	return p
}

// Validate says what is wrong with a policy, as [Check] and [Plan] would.
func (p Policy) Validate() error { return p.withDefaults().valid() }

// valid says what is wrong with a policy that has its defaults.
func (p Policy) valid() error {
	switch {
	case p.Keep < NovaReads:
		return fmt.Errorf("consolelog: keep %s: nova reads the last %s", size(p.Keep), size(NovaReads))
	case p.Limit < p.Keep+2*align:
		return fmt.Errorf("consolelog: limit %s: it must be at least %s, %s more than the %s that are kept", size(p.Limit), size(p.Keep+2*align), size(2*align), size(p.Keep))
	case p.Growth < 0 || p.Free < 0 || p.Free > 100 || p.Horizon < 0 || p.Answers < 0 || p.Valid < 0:
		return fmt.Errorf("consolelog: a policy has a number out of range: %+v", p)
	}
	return nil
}

// align is what a log is cut at: a multiple of every block size there is.
const align = 64 << 10

// How a log is bounded.
const (
	Collapse = "collapse" // its head is taken out: every writer appends, and the filesystem can
	Punch    = "punch"    // its head becomes a hole: right under every writer
	Rename   = "rename"   // a copy of its end takes its place: nobody may have it open
)

// method chooses how to bound a log, or says why it must be left alone.
func (p Policy) method(s *Snapshot, l Log) (method, why string) {
	if why := p.untouchable(s, l); why != "" {
		return "", why
	}
	f, _ := s.filesystem(l.Filesystem)
	appended := !slices.ContainsFunc(l.Writers, func(w Writer) bool { return !w.Append })
	switch {
	case f.Collapse && appended:
		return Collapse, ""
	case f.Punch:
		return Punch, ""
	case len(l.Writers) == 0:
		return Rename, ""
	}
	return "", f.Type + " can make no holes, and " + describe(l.Writers) + " has it open"
}

// untouchable says why a log is none of ours.
func (p Policy) untouchable(s *Snapshot, l Log) string {
	f, ok := s.filesystem(l.Filesystem)
	switch {
	case !l.Mode.IsRegular():
		return "it is no regular file: " + l.Mode.Type().String()
	case l.Links != 1:
		return fmt.Sprintf("it has %d names", l.Links)
	case !ok:
		return "its filesystem could not be seen"
	case f.Remote:
		return "it lies on " + f.Type + ", where other hosts may write unseen: bound it on its host"
	case l.Looked == NotLooked:
		return "nobody looked who writes it"
	case l.Looked == Hidden:
		return "somebody writes it who is not seen in /proc: run this in the host's PID namespace, as root"
	case l.Looked == Unreadable:
		return "not all processes may be looked at: run this as root"
	case rotated(strings.TrimPrefix(l.Name, "console.log")):
		return "it is a backup of virtlogd's: see max_size and max_backups in virtlogd.conf"
	}
	for _, w := range l.Writers {
		if w.Virtlogd() {
			return "virtlogd owns it and rotates by itself: " + s.virtlogdText()
		}
		if !p.known(w) {
			return "an unknown program writes it: " + w.String()
		}
	}
	return ""
}

func (p Policy) known(w Writer) bool { return w.Qemu() || slices.Contains(p.Writers, w.Comm) }

// virtlogdText tells the settings of virtlogd.
func (s *Snapshot) virtlogdText() string {
	if len(s.Virtlogd) == 0 {
		return "its configuration could not be read"
	}
	v := s.Virtlogd[0]
	return fmt.Sprintf("max_size %d, max_backups %d in %s", v.MaxSize, v.MaxBackups, v.Path)
}
