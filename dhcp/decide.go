package dhcp

import "github.com/stackmend/stackmend"

// Check decides what is wrong. It reads nothing but the snapshot.
func Check(s *Snapshot) stackmend.Result {
	r := stackmend.Result{Schema: stackmend.Schema, Check: "dhcp", Subject: s.Subject, Started: s.Taken, Finished: s.Taken}
	for _, v := range Judge(s) {
		r.Findings = append(r.Findings, v.finding())
	}
	return r
}

// Judge gives a verdict for each client, sorted by MAC.
func Judge(s *Snapshot) []Verdict { return nil }

func (v Verdict) finding() stackmend.Finding {
	return stackmend.Finding{Code: v.Code, Status: v.Status, Subject: v.MAC.String(), Message: v.Message, Fix: v.Fix, Confidence: v.Confidence, Evidence: v.Evidence}
}
