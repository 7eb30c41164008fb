package bootvolume

import (
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
)

// Check says where the requests of a batch ended, and what the configurations
// cost. It is OK only if something was looked at and nothing is wrong.
func Check(s *Snapshot) stackmend.Result {
	r := stackmend.Result{Check: "bootvolume", Subject: s.Subject, Started: s.Taken}
	offsets := Clocks(&s.Logs)
	s = s.with(s.Logs.corrected(offsets))
	boots, of := follow(&s.Logs), judge(s)
	for _, b := range boots {
		if f, lost := of.verdict(b); lost {
			r.Findings = append(r.Findings, f)
		}
		r.Findings = append(r.Findings, orphans(b)...)
	}
	r.Findings = append(r.Findings, of.withoutCompute()...)
	r.Findings = append(r.Findings, of.conflicts(boots)...)
	r.Findings = append(r.Findings, clocksDiffer(offsets)...)
	r.Findings = append(r.Findings, s.configurations(boots)...)
	r.Findings = append(r.Findings, s.live()...)
	r.Findings = append(r.Findings, s.told(boots)...)
	for _, what := range s.Unseen {
		r.Findings = append(r.Findings, stackmend.Finding{Code: CodeUnseen, Status: stackmend.Unknown, Subject: s.Subject, Message: what})
	}
	if r.Status = s.status(boots, r.Findings); r.Status == stackmend.Unknown && len(r.Findings) == 0 {
		r.Findings = []stackmend.Finding{{Code: CodeUnseen, Status: stackmend.Unknown, Subject: s.Subject,
			Message: "no instance that asks for a volume, and no configuration, is in what was given",
			Fix:     "give the nova-compute logs of the time of the batch first, then those of HAProxy and cinder-api"}}
	}
	return r
}

func (s *Snapshot) status(boots []Boot, findings []stackmend.Finding) stackmend.Status {
	looked := len(boots)+len(s.Proxies)+len(s.Nova)+len(s.Galera)+len(s.Services)+len(s.Running)+len(s.Nodes)+len(s.NodeLogs)+len(s.ComputeServices) > 0
	if !looked && len(findings) == 0 {
		return stackmend.Unknown
	}
	all := []stackmend.Status{stackmend.OK}
	for _, f := range findings {
		all = append(all, f.Status)
	}
	return stackmend.Worst(all...)
}

// verdict says where the request of an instance ended; false if it runs.
func (s judging) verdict(b Boot) (stackmend.Finding, bool) {
	if b.Built && b.Failure == "" {
		return stackmend.Finding{}, false
	}
	v := s.ended(b)
	if v.byOrder && b.Paired == Ambiguous {
		v = verdict{code: CodeUndetermined, message: "several requests of this time may be its own, and they ended differently or are not as many as the instances",
			fix: "capture X-OpenStack-Request-ID in HAProxy, which cinder logs since Pike"}
	}
	f := stackmend.Finding{
		Code: v.code, Status: stackmend.Fail, Subject: "instance " + b.Instance,
		Message: v.message, Fix: v.fix, Confidence: stackmend.High, Evidence: b.evidence(Post{b.HAProxy, b.Cinder}),
	}
	if v.byOrder {
		f.Confidence = b.Paired.confidence()
	}
	if v.code == CodeUndetermined {
		f.Status, f.Confidence = stackmend.Unknown, stackmend.Unstated
	}
	return f, true
}

// a verdict on one instance.
type verdict struct {
	code, message, fix string
	byOrder            bool // it rests on the pairing of lines, or on there being none left
}

func (p Pairing) confidence() stackmend.Confidence {
	switch p {
	case ByRequest:
		return stackmend.High
	case ByTime:
		return stackmend.Medium
	}
	return stackmend.Low
}

// ended is told by nova's own words first: they name the instance.
func (s judging) ended(b Boot) verdict {
	switch {
	case b.Failure == "" && !b.Cinder.gaveUp():
		return verdict{code: CodeUndetermined, message: "nova asked for a volume, and neither success nor failure is in the logs",
			fix: "give the nova-compute log up to its end; the boot may still be going on"}
	case inError.MatchString(b.Failure), b.Failure == "" && b.Cinder.gaveUp() && b.Cinder.Quota == "":
		return volumeFailed(b)
	case tooSlow.MatchString(b.Failure):
		return s.tooSlow(b)
	case notFound.MatchString(b.Failure):
		return verdict{code: CodeIDNotFound, message: "the volume had just been created and was not found: read from a database node that did not have it yet",
			fix: "write to one Galera node, or set mysql_wsrep_sync_wait of oslo.db"}
	case overQuota.MatchString(b.Failure), b.Cinder != nil && b.Cinder.Quota != "":
		return verdict{code: CodeOverQuota, message: "cinder refused the volume by quota",
			fix: "raise the project's quota, or delete volumes", byOrder: !overQuota.MatchString(b.Failure)}
	case b.Cinder != nil && b.Cinder.Erred != "":
		return s.erred(b.Cinder)
	case b.HAProxy != nil:
		return s.atHAProxy(b)
	}
	return s.notAtHAProxy(b)
}

// atHAProxy judges a request that HAProxy logged.
func (s judging) atHAProxy(b Boot) verdict {
	h := b.HAProxy
	switch {
	case h.timedOut():
		return verdict{code: CodeHAProxyTimeout, byOrder: true,
			message: fmt.Sprintf("HAProxy gave up waiting for %s/%s after %v (%s)", h.Backend, h.Server, h.Total, h.Term),
			fix:     "look at that cinder-api; raise timeout server only if it is slow and not stuck"}
	case h.refused():
		return verdict{code: CodeHAProxyRefused, byOrder: true,
			message: fmt.Sprintf("no server of %s took the request (%s, status %d, %s)", h.Backend, h.Server, h.Status, h.Term),
			fix:     "look why its servers were down, full or broke the connection"}
	case b.Cinder == nil && s.unlogged(h.At) > 0:
		return verdict{code: CodeUndetermined,
			message: fmt.Sprintf("HAProxy passed it to %s/%s (status %d), and the logs of %d of its servers do not cover %s", h.Backend, h.Server, h.Status, s.unlogged(h.At), stampText(h.At)),
			fix:     "give the cinder-api log of each server, as a host of its own"}
	case b.Cinder == nil && s.Logs.covers(API, h.At):
		return verdict{code: CodeNotLogged, byOrder: true,
			message: fmt.Sprintf("HAProxy passed it to %s/%s (status %d), and the cinder-api logs at hand do not have it", h.Backend, h.Server, h.Status),
			fix:     "check that the log of this server is among them"}
	}
	return verdict{code: CodeUndetermined,
		message: fmt.Sprintf("HAProxy had an answer of status %d from %s/%s; what came after is not told", h.Status, h.Backend, h.Server),
		fix:     "give the logs of cinder-api for this time"}
}

// notAtHAProxy judges by what is absent, where the logs cover the time.
func (s judging) notAtHAProxy(b Boot) verdict {
	at := b.Begun
	if at.IsZero() {
		return verdict{code: CodeUndetermined, message: "nova failed at the block devices, and did not say that it asks for a new volume",
			fix: "give the nova-compute log from before the boot; look at nova's own failure: " + short(b.Failure)}
	}
	proxy, api := s.Logs.covers(HAProxy, at), s.Logs.covers(API, at) && s.unlogged(at) == 0
	switch {
	case b.answer() >= 300 && b.answer() != tooLarge:
		return verdict{code: CodeUndetermined, message: fmt.Sprintf("nova was answered with status %d, by a request that is in no log of HAProxy at hand", b.answer()),
			fix: "give the logs of every HAProxy before cinder, of " + stampText(at)}
	case b.Cinder != nil || !proxy || s.captures && b.Request == "":
		return verdict{code: CodeUndetermined, message: "the request is not in a log of HAProxy that covers " + stampText(at),
			fix: "give HAProxy's log of that time, with the request ID captured"}
	case notConnected.MatchString(b.Failure) && s.posts:
		return verdict{code: CodeLostBeforeHAProxy, message: "nova could not connect, and HAProxy saw no request", fix: "look at the virtual IP, and at HAProxy's maxconn and listen queue", byOrder: true}
	case api && s.posts:
		return verdict{code: CodeNeverSent, message: "neither HAProxy nor cinder-api saw a request", fix: "look at nova's own failure: " + short(b.Failure), byOrder: true}
	}
	return verdict{code: CodeUndetermined, message: "HAProxy did not log the request, or not its ID", fix: "capture X-OpenStack-Request-ID in HAProxy, and give cinder-api's logs"}
}

// A judging is a Snapshot with what is asked of it for each lost instance.
type judging struct {
	*Snapshot
	servers  int  // to which HAProxy has sent requests for volumes
	captures bool // HAProxy logs request IDs
	// posts: HAProxy logs requests for volumes at all; without, an absent one
	// says nothing.
	posts bool
}

func judge(s *Snapshot) judging {
	servers, captures, posts := map[string]bool{}, false, false
	for _, r := range s.Logs.Requests {
		posts = posts || r.createsVolume()
		captures = captures || r.createsVolume() && r.ID != ""
		if r.createsVolume() && r.Server != "" && r.Server != "<NOSRV>" {
			servers[r.Backend+"/"+r.Server] = true
		}
	}
	return judging{s, len(servers), captures, posts}
}

// unlogged is how many of the servers have no log at hand that was written at
// that time. It does not know which: HAProxy's names need not be those of hosts.
func (s judging) unlogged(at time.Time) int {
	return max(0, s.servers-s.Logs.hosts(API, at))
}

func stampText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// short bounds what a log said.
func short(s string) string {
	const most = 500
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
