package consolelog

import (
	"fmt"
	"math"
	"time"

	"github.com/stackmend/stackmend"
)

// judge looks at one log.
func (p Policy) judge(s *Snapshot, l Log) []stackmend.Finding {
	var out []stackmend.Finding
	if p.exceeds(l) {
		out = append(out, p.tooLarge(s, l))
		if f, unknown := p.unknownWriter(l); unknown {
			out = append(out, f)
		}
	}
	if rate := l.Growth.PerSecond(); p.Growth > 0 && rate >= float64(p.Growth) {
		out = append(out, stackmend.Finding{
			Code: Growing, Status: stackmend.Warn, Subject: l.Path,
			Message:  fmt.Sprintf("it grows by %s a second%s", size(int64(rate)), l.linesText()),
			Fix:      "look at what the guest prints (tail), and tell its owner",
			Evidence: p.evidence(s, l),
		})
	}
	return out
}

func (p Policy) tooLarge(s *Snapshot, l Log) stackmend.Finding {
	f := stackmend.Finding{
		Code: TooLarge, Status: stackmend.Fail, Subject: l.Path, Evidence: p.evidence(s, l),
		Message: fmt.Sprintf("it holds %s, the limit is %s", size(l.Held()), size(p.Limit)),
	}
	if method, why := p.method(s, l); why != "" {
		f.Fix = "left alone: " + why
	} else {
		f.Fix = fmt.Sprintf("bound it by %s, keeping the last %s", method, size(p.Keep))
	}
	return f
}

// unknownWriter is the finding of a log that ought to be bounded and must not
// be, because it is not known who writes it.
func (p Policy) unknownWriter(l Log) (stackmend.Finding, bool) {
	f := stackmend.Finding{Code: UnknownWriter, Status: stackmend.Unknown, Subject: l.Path,
		Evidence: []stackmend.Evidence{{Source: "/proc/*/fd", Value: describe(l.Writers)}}}
	switch l.Looked {
	case Hidden:
		f.Message = "somebody has it open for writing who is not seen in /proc"
		f.Fix = "run this as root in the host's PID namespace"
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: "fcntl F_SETLEASE", Value: "refused: open for writing"})
		return f, true
	case Unreadable, NotLooked:
		f.Message = "not all processes could be looked at for its writer"
		f.Fix = "run this as root"
		return f, true
	}
	for _, w := range l.Writers {
		if !w.Virtlogd() && !p.known(w) {
			f.Message = "a program that is neither qemu nor virtlogd writes it: " + w.String()
			f.Fix = "find out what it is; if it may be bounded, name it in Policy.Writers"
			return f, true
		}
	}
	return f, false
}

func (p Policy) evidence(s *Snapshot, l Log) []stackmend.Evidence {
	out := []stackmend.Evidence{
		{Source: "stat", Value: fmt.Sprintf("size %d, allocated %d, hole at its beginning %d", l.Size, l.Allocated, l.Hole), At: s.At},
		{Source: "/proc/*/fd", Value: describe(l.Writers) + " (" + l.Looked.String() + ")"},
	}
	if l.Growth.Over > 0 {
		out = append(out, stackmend.Evidence{Source: "two looks", Value: fmt.Sprintf("%s in %v%s", size(l.Growth.Bytes), l.Growth.Over.Round(time.Millisecond), l.linesText())})
	}
	if l.Sample.Times > 1 {
		out = append(out, stackmend.Evidence{Source: "sample of its end", Value: fmt.Sprintf("%d of %d lines are like: %s", l.Sample.Times, l.Sample.Lines, l.Sample.Most)})
	}
	if l.Owner != (Owner{}) {
		out = append(out, stackmend.Evidence{Source: "instance", Value: fmt.Sprintf("name %q, domain %q, project %s, user %s", l.Owner.Name, l.Owner.Domain, l.Owner.Project, l.Owner.User)})
	}
	return out
}

func (l Log) linesText() string {
	if n := l.LinesPerSecond(); n > 0 {
		return fmt.Sprintf(", about %.0f lines a second", n)
	}
	return ""
}

// unbounded says where no configuration bounds a log.
func unbounded(s *Snapshot) []stackmend.Finding {
	var out []stackmend.Finding
	if f, any := unboundedByQemu(s); any {
		out = append(out, f)
	}
	for _, v := range s.Virtlogd {
		if v.Bound() > 0 {
			continue
		}
		out = append(out, stackmend.Finding{
			Code: Unbounded, Status: stackmend.Warn, Subject: v.Path, Evidence: []stackmend.Evidence{v.evidence("max_size 0")},
			Message: "virtlogd never rotates", Fix: "set max_size and max_backups, and restart virtlogd by re-exec (it keeps the logs open)",
		})
	}
	return out
}

// unboundedByQemu: qemu writes its log itself, and nobody rotates it.
func unboundedByQemu(s *Snapshot) (stackmend.Finding, bool) {
	f := stackmend.Finding{Code: Unbounded, Status: stackmend.Warn, Subject: s.Root,
		Fix: `set stdio_handler = "logd" in qemu.conf: it holds for domains that start from then on; until then run this with -watch`}
	written := 0
	for _, l := range s.Logs {
		for _, w := range l.Writers {
			if w.Qemu() {
				written++
				break
			}
		}
	}
	configured := false
	for _, q := range s.Qemu {
		configured = configured || q.StdioHandler == "file"
		f.Evidence = append(f.Evidence, q.evidence(fmt.Sprintf("stdio_handler %q", q.StdioHandler)))
	}
	f.Message = fmt.Sprintf("qemu itself writes %d of %d logs, and nothing bounds them", written, len(s.Logs))
	if written == 0 {
		f.Message = `stdio_handler is "file": the logs of domains that start now will not be bounded`
	}
	return f, written > 0 || configured
}

func (w Where) evidence(value string) stackmend.Evidence {
	if w.Missing {
		value += " (the default: there is no such file)"
	}
	if w.Later {
		value += fmt.Sprintf(" (written after the daemon, pid %d, began: perhaps not in effect)", w.PID)
	}
	return stackmend.Evidence{Source: w.Path, Value: value}
}

// filling says which filesystem is full, or will be soon.
func (p Policy) filling(s *Snapshot) []stackmend.Finding {
	var out []stackmend.Finding
	for _, f := range s.Filesystems {
		left, rate := s.timeLeft(f)
		percent := 100 * float64(f.Free) / float64(max(f.Total, 1))
		if percent >= p.Free && left >= p.Horizon {
			continue
		}
		msg := fmt.Sprintf("%s of %s are free (%.1f %%)", size(f.Free), size(f.Total), percent)
		if left < math.MaxInt64 {
			msg += fmt.Sprintf(", and at %s a second it is full in %v", size(int64(rate)), left.Round(time.Second))
		}
		out = append(out, stackmend.Finding{Code: FilesystemFilling, Status: stackmend.Fail, Subject: f.Path, Message: msg,
			Fix:      "bound the logs that grow; see what else takes its space",
			Evidence: []stackmend.Evidence{{Source: "statfs " + f.Path, Value: fmt.Sprintf("%s, total %d, free %d", f.Type, f.Total, f.Free), At: s.At}}})
	}
	return out
}

// steady is how far apart two looks must be for what a filesystem lost in
// between to say something: others use it too, in bursts.
const steady = time.Minute

// timeLeft is how long a filesystem lasts, going by what its logs grew or by
// what it lost between two looks that are far enough apart, whichever is more.
func (s *Snapshot) timeLeft(f Filesystem) (time.Duration, float64) {
	logs := 0.0
	for _, l := range s.Logs {
		if l.Filesystem == f.ID {
			logs += l.Growth.PerSecond()
		}
	}
	rate := logs
	if f.Growth.Over >= steady {
		rate = max(rate, f.Growth.PerSecond())
	}
	if rate <= 0 {
		return math.MaxInt64, 0
	}
	seconds := float64(f.Free) / rate
	if seconds > 1e9 {
		return math.MaxInt64, rate
	}
	return time.Duration(seconds * float64(time.Second)), rate
}

func unseen(s *Snapshot) []stackmend.Finding {
	if len(s.Unseen) == 0 {
		return nil
	}
	f := stackmend.Finding{Code: Unseen, Status: stackmend.Unknown, Subject: s.Root,
		Message: fmt.Sprintf("%d things could not be read", len(s.Unseen)), Fix: "run this as root on the host itself"}
	for _, u := range s.Unseen[:min(len(s.Unseen), 20)] {
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: "reading", Value: u})
	}
	return []stackmend.Finding{f}
}
