package dhcp

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// Check decides what is wrong. It reads nothing but the snapshot. Without a
// client to judge the status is Unknown.
func Check(s *Snapshot) stackmend.Result {
	r := stackmend.Result{Schema: stackmend.Schema, Check: "dhcp", Subject: s.Subject, Started: s.Taken, Finished: s.Taken}
	all := summary{healthy: map[place]int{}}
	for v := range verdicts(s) {
		r.Findings = append(r.Findings, v.finding())
		all.add(&v)
	}
	r.Findings = append(r.Findings, s.common(&all)...)
	r.Findings = append(r.Findings, s.loads()...)
	r.Findings = append(r.Findings, s.culprits(&all)...)
	r.Findings = append(r.Findings, s.notJudged()...)
	for _, what := range s.unseen() {
		r.Findings = append(r.Findings, stackmend.Finding{Code: CodeUnseen, Status: stackmend.Unknown, Subject: s.Subject,
			Message: "not seen: " + what, Fix: "look at it, or give what is missing"})
	}
	r.Status = stackmend.Unknown
	if all.clients() > 0 {
		r.Status = stackmend.OK
	}
	for _, f := range r.Findings {
		r.Status = stackmend.Worst(r.Status, f.Status)
	}
	return r
}

// Judge gives a verdict for each client, in the order of MACs.
func Judge(s *Snapshot) []Verdict { return slices.Collect(verdicts(s)) }

// verdicts gives one client's after the other's, and keeps none.
func verdicts(s *Snapshot) iter.Seq[Verdict] {
	return func(yield func(Verdict) bool) {
		known := map[MAC]Instance{}
		for _, i := range s.Instances {
			known[i.MAC] = i.or(known[i.MAC])
		}
		for c := range Converse(s) {
			v := JudgeOne(c)
			v.Instance = known[c.MAC]
			if !yield(v) {
				return
			}
		}
	}
}

// JudgeOne gives the verdict on one conversation.
func JudgeOne(c Conversation) Verdict {
	f := gather(c)
	v := Verdict{MAC: c.MAC, Addr: c.Addr, Server: c.Lease.Server, Break: c.Break, Recovered: c.Over}
	for _, rule := range rules {
		if rule(f, &v) {
			break
		}
	}
	f.complete(&v)
	return v
}

// A rule decides, or leaves it to the next.
type rule func(f *facts, v *Verdict) bool

// rules in their order: what was told outright comes before what follows from
// counts.
var rules = []rule{(*facts).duplicate, (*facts).checksum, (*facts).refused, (*facts).exhausted, (*facts).died,
	(*facts).outdated, (*facts).healthy, (*facts).stopped, (*facts).silent, (*facts).lostRequests, (*facts).lostReplies, (*facts).outside, (*facts).inside, (*facts).gone, (*facts).unknown}

func (v *Verdict) is(code string, sure stackmend.Confidence, message string, args ...any) bool {
	v.Code, v.Confidence, v.Message = code, sure, fmt.Sprintf(message, args...)
	return true
}

// refused: the server said no.
func (f *facts) refused(v *Verdict) bool {
	naks, reason := 0, ""
	for _, s := range f.all() {
		if s.naks > 0 {
			naks, reason = s.naks, cmp.Or(reason, s.reason)
		}
	}
	if naks > 0 {
		return v.is(ServerRefuses, stackmend.High, "the server refused the address (DHCPNAK%s)", because(reason))
	}
	if f.begunAnew(v) {
		return true
	}
	for _, s := range f.servers() {
		if s.ignored > 0 && s.answers() == 0 {
			return v.is(ServerRefuses, stackmend.High, "the server does not serve this client%s", because(s.reason))
		}
	}
	return false
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// exhausted: the server said that it has no address.
func (f *facts) exhausted(v *Verdict) bool {
	for _, s := range f.servers() {
		if s.noAddress > 0 && s.acks == 0 {
			return v.is(PoolExhausted, stackmend.High, "the server has no address for this client%s, said %d times", because(s.reason), s.noAddress)
		}
	}
	return false
}

// checksum: the client said so, or its answers are wrong on the wire where it
// receives them.
func (f *facts) checksum(v *Verdict) bool {
	if s := f.clientLog; s != nil && s.badSum > 0 {
		return v.is(WrongUDPChecksum, stackmend.High, "the client dropped the answers for their UDP checksum%s", because(s.reason))
	}
	for _, s := range some(f.clientCap, f.tap) {
		answers := s.answers() + s.naks
		if answers == 0 || s.wrong+s.partial < answers || s.asks() < 2 {
			continue
		}
		if s.wrong == 0 && s.Point != ClientCapture {
			continue // left to the card, which is usual on a tap
		}
		sure := stackmend.High
		if s.wrong < answers {
			sure = stackmend.Medium
		}
		return v.is(WrongUDPChecksum, sure, "the answers reach the instance with a wrong UDP checksum (%d wrong, %d left to a card that did not fill it in), and are not taken", s.wrong, s.partial)
	}
	return false
}

// outdated: no trouble in what was seen, which ends before the last lease did,
// and that was before the sides were read. A client that died without a word
// looks like this, and so does an old log.
func (f *facts) outdated(v *Verdict) bool {
	over := f.Good.Add(f.Lease.longest())
	if !f.Break.IsZero() || f.vanished || f.Good.IsZero() || f.Lease.longest() == 0 || f.Taken.Before(over) || !f.released().IsZero() || f.ended() != nil {
		return false
	}
	v.Could = []string{Healthy, ClientDied, RequestsLost, TrafficStoppedFirst}
	v.Capture = []string{"tell until when these logs and captures were being written, or give newer ones: whether the lease was renewed"}
	return v.is(Undetermined, stackmend.Low, "leases were taken, last at %s; what was seen ends at %s, and that lease ran out at %s", instant(f.Good), instant(f.Until), instant(over))
}

// healthy: no trouble in what was seen.
func (f *facts) healthy(v *Verdict) bool {
	if released := f.released(); !released.IsZero() {
		return v.is(Healthy, stackmend.High, "the client gave its lease back at %s", instant(released))
	}
	if !f.Break.IsZero() || f.vanished || f.Good.IsZero() || f.ended() != nil {
		return false
	}
	sure := stackmend.Low
	message := "a lease was given; whether the client took it cannot be seen from here"
	if f.renewed() {
		sure, message = stackmend.Medium, "leases are renewed"
	}
	switch {
	case len(f.Views) == 1 && f.clientLog != nil:
		message = "the client takes its leases; whether another machine uses its MAC cannot be seen from here"
	case len(f.clients()) > 0 && f.renewed():
		sure, message = stackmend.High, "the client takes its leases"
	case len(f.clients()) > 0:
		message = "the client took a lease, and was not seen to renew it yet"
	}
	v.is(Healthy, sure, "%s, last at %s", message, instant(f.Good))
	if due := f.Good.Add(f.Lease.T2); sure < stackmend.High && f.Lease.T2 > 0 && f.Until.Before(due) {
		v.Message += "; what was seen ends before it must be renewed"
	}
	return true
}

// released is when the client gave its lease back, if nothing came after.
func (f *facts) released() (at time.Time) {
	for _, s := range f.all() {
		if n := len(s.Events); n > 0 && s.Events[n-1].Kind == Release {
			at = s.Events[n-1].Time
		} else if n > 0 && s.Events[n-1].Kind.Asks() {
			return time.Time{}
		}
	}
	return at
}

// renewed: a request about half a lease after an answer says that the answer
// was taken.
func (f *facts) renewed() bool {
	for _, v := range f.Views {
		for _, kind := range []Kind{Ack, Bound} { // some logs of clients tell of one alone
			var first, last time.Time
			for _, e := range v.Events {
				if e.Kind == kind {
					first, last = cmp.Or(first, e.Time), e.Time
				}
			}
			if last.Sub(first) >= patience {
				return true
			}
		}
	}
	return false
}

// complete adds what every verdict has: status, evidence, advice.
func (f *facts) complete(v *Verdict) {
	if v.Code == DuplicateMAC { // it lasts, whoever has the address just now
		v.Recovered = time.Time{}
	}
	switch {
	case v.Code == Healthy:
		v.Status = stackmend.OK
	case !v.Recovered.IsZero():
		v.Status = stackmend.Warn
		v.Message += "; recovered at " + instant(v.Recovered)
	case v.Code == Undetermined:
		v.Status = stackmend.Unknown
	default:
		v.Status = stackmend.Fail
	}
	v.Evidence = append(v.Evidence, f.evidence()...)
	v.Evidence = append(v.Evidence, f.trafficEvidence()...)
	v.Evidence = append(v.Evidence, f.against(v)...)
	v.Fix = advice[v.Code]
	if len(v.Could) > 0 {
		v.Message += "; could be " + strings.Join(v.Could, ", ")
	}
	if len(v.Capture) > 0 {
		v.Fix = strings.TrimSpace(v.Fix + " To decide: " + strings.Join(v.Capture, "; ") + ".")
	}
	if f.doubtful() && v.Confidence > stackmend.Low && !told[v.Code] {
		v.Confidence--
	}
}

// told are the verdicts that somebody said outright, at whatever time.
var told = map[string]bool{ServerRefuses: true, PoolExhausted: true, Healthy: true}

// doubtful: two sides asked or were asked, whose clocks could not be compared.
func (f *facts) doubtful() bool {
	ref := f.Views[f.reference()].Trace
	return slices.ContainsFunc(f.all(), func(s *seen) bool { return !s.Told && s.Trace != ref && s.asks() > 0 })
}

func instant(t time.Time) string {
	if t.IsZero() {
		return "a time that is not told"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

func (v Verdict) finding() stackmend.Finding {
	subject := v.MAC.String()
	if v.MAC == (MAC{}) {
		subject = "the client of the log"
	}
	if v.Addr != (IPv4{}) {
		subject += " " + v.Addr.String()
	}
	if v.Instance.Name != "" {
		subject += " " + v.Instance.Name
	}
	return stackmend.Finding{Code: v.Code, Status: v.Status, Subject: subject, Message: v.Message, Fix: v.Fix, Confidence: v.Confidence, Evidence: v.Evidence}
}
