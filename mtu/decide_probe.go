package mtu

import (
	"fmt"

	"github.com/stackmend/stackmend"
)

func (j *judge) probes() {
	for _, r := range j.s.Probes {
		if f, ok := r.finding(); ok {
			j.add(f)
		}
	}
}

// finding is what a probe's report means. A path that fits is none.
func (r Report) finding() (stackmend.Finding, bool) {
	f := stackmend.Finding{Subject: r.Target, Status: stackmend.Unknown, Evidence: r.evidence()}
	switch r.Verdict {
	case Fits:
		return f, false
	case TooBig:
		f.Code, f.Status, f.Confidence = CodeTooBigTold, stackmend.Warn, stackmend.High
		f.Message = fmt.Sprintf("%s says that packets to %s may have %d bytes; the largest that is answered has %d", r.ToldBy, r.Target, r.Told, r.Largest)
		f.Fix = "hosts learn this by themselves as long as nobody filters ICMP"
	case BlackHole:
		f.Code, f.Status, f.Confidence = CodeBlackHole, stackmend.Fail, stackmend.High
		f.Message = fmt.Sprintf("packets to %s of %d bytes are answered, of %d they vanish, and nobody says so", r.Target, r.Largest, r.Lost)
		f.Fix = "capture at every point of the path while pinging with this size, and give the captures to this check"
		if r.Lost-r.Largest > 1 {
			f.Message += fmt.Sprintf(" (the limit is between the two; %d packets did not do to find it)", r.Sent)
		}
	case Lossy:
		f.Code, f.Status = CodeLossy, stackmend.Warn
		f.Message = fmt.Sprintf("%d of %d packets to %s are lost, large or small; %d bytes do pass", r.Loss.Lost, r.Loss.Sent, r.Target, r.Largest)
		f.Fix = "this is no question of the MTU: look for a bad cable, a full queue, a policer"
	case NoAnswer:
		f.Code = CodeFiltered
		f.Message = fmt.Sprintf("%s answers no packet of any size: filtered, or nobody is there; nothing is known of the path", r.Target)
		f.Fix = "probe with another method (icmp, udp, tcp) or another address"
	default:
		f.Code = CodeNotDecided
		f.Message = fmt.Sprintf("%d packets to %s did not show a limit that can be told from loss (%d lost of %d that fit)", r.Sent, r.Target, r.Loss.Lost, r.Loss.Sent)
		f.Fix = "probe again, with more packets"
	}
	return f, true
}

func (r Report) evidence() []stackmend.Evidence {
	var out []stackmend.Evidence
	for _, c := range r.Sizes {
		v := fmt.Sprintf("%d bytes: %d sent, %d answered", c.Size, c.Sent, c.Heard)
		if c.TooBig > 0 {
			v += fmt.Sprintf(", %d told too big (%d)", c.TooBig, r.Told)
		}
		out = append(out, stackmend.Evidence{Source: "probe " + r.Method, Value: v})
	}
	return out
}

// String says in one line what was found.
func (r Report) String() string {
	if f, ok := r.finding(); ok {
		return f.Message
	}
	what := fmt.Sprintf("packets of %d bytes to %s are answered", r.Largest, r.Target)
	if r.Method == "tcp" {
		what = fmt.Sprintf("segments of %d bytes to %s are acknowledged", r.Largest, r.Target)
	}
	if r.Own > 0 {
		what += ", which is all that this host's own link takes"
	}
	return fmt.Sprintf("%s (%d of %d answered, %s)", what, r.Heard, r.Sent, r.Method)
}
