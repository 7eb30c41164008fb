package bpdu

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// Check decides what is wrong. It reads nothing but the snapshot.
//
// Without anything to look at, and where something could not be seen and
// nothing worse was found, the status is Unknown.
func Check(s *Snapshot) stackmend.Result {
	r := stackmend.Result{Schema: stackmend.Schema, Check: "bpdu", Subject: s.Subject, Started: s.Taken, Finished: s.Taken}
	incidents := s.incidents()
	for _, i := range incidents {
		r.Findings = append(r.Findings, i.finding(), s.sourceOf(i))
	}
	r.Findings = append(r.Findings, s.cascades(incidents)...)
	r.Findings = append(r.Findings, s.bonds()...)
	r.Findings = append(r.Findings, s.bridges()...)
	r.Findings = append(r.Findings, s.talkers()...)
	r.Findings = append(r.Findings, s.taps()...)
	r.Findings = append(r.Findings, s.notApplicable()...)
	for _, what := range s.unseen() {
		r.Findings = append(r.Findings, stackmend.Finding{Code: CodeUnseen, Status: stackmend.Unknown, Subject: s.Subject,
			Message: "not seen: " + what, Fix: "look at it, or run with the privileges that the package's documentation names"})
	}
	r.Status = s.status(r.Findings)
	return r
}

func (s *Snapshot) status(findings []stackmend.Finding) stackmend.Status {
	if s.Log == nil && s.Host == nil && s.Capture == nil {
		return stackmend.Unknown
	}
	status := stackmend.OK
	for _, f := range findings {
		status = stackmend.Worst(status, f.Status)
	}
	return status
}

func (s *Snapshot) incidents() []Incident {
	if s.Log == nil {
		return nil
	}
	return Incidents(s.Log.Events)
}

// finding tells of a port that was disabled. One that is up again and stayed
// so is a warning.
func (i Incident) finding() stackmend.Finding {
	f := stackmend.Finding{Code: CodePortDisabled, Status: stackmend.Fail, Subject: i.Switch + " " + i.portName(), Confidence: stackmend.High,
		Fix: i.advice()}
	text := fmt.Sprintf("BPDU guard disabled the port at %s", instant(i.Began))
	if i.Times > 1 {
		text += fmt.Sprintf(", %d times until %s: it is flapping", i.Times, instant(i.Last))
	}
	if len(i.Members) > 0 {
		text += "; within seconds went down " + strings.Join(i.Members, ", ")
	}
	if i.Recovered.IsZero() {
		text += "; the log does not say that it came up again"
	} else {
		text += fmt.Sprintf("; up again at %s, after %v", instant(i.Recovered), i.Recovered.Sub(i.Began))
		f.Status = stackmend.Warn
	}
	if i.Doubt != "" {
		text += "; times: " + i.Doubt
		f.Confidence = stackmend.Medium
	}
	if i.Vendor == DellOS {
		text += "; how Dell OS10 writes such lines could not be verified: the port may be another"
		f.Confidence = stackmend.Low
	}
	f.Message = text
	for _, e := range i.Events {
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: e.Source, Value: e.Text, At: e.Time})
	}
	return f
}

func (i Incident) portName() string { return cmp.Or(i.Port, "(port not told)") }

func instant(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// beforeAll is what to know before anything else is done.
const beforeAll = "Do not migrate, evacuate or restart the instance elsewhere before its BPDUs are filtered: the next host loses its uplinks too. "

// sourceOf says who sent the BPDUs that an incident is about.
func (s *Snapshot) sourceOf(i Incident) stackmend.Finding {
	about := fmt.Sprintf("%s %s at %s", i.Switch, i.portName(), instant(i.Began))
	switch {
	case i.MAC == "":
		return stackmend.Finding{Code: CodeSourceUnknown, Status: stackmend.Unknown, Subject: about,
			Message: fmt.Sprintf("the log of %s does not tell the source MAC", i.Vendor),
			Fix:     "look on the hosts behind the port: -capture, or the counters of the filter; on the switch, the MAC table from before"}
	case len(i.MACs) > 1:
		f := s.source(about, i.MAC, false)
		f.Message = fmt.Sprintf("several sources were told (%s): %s", strings.Join(i.MACs, ", "), f.Message)
		f.Code, f.Confidence = CodeSourceAmbiguous, stackmend.Low
		return f
	}
	return s.source(about, i.MAC, false)
}

// source names the port and instance of a MAC. Heard: its BPDUs were heard
// coming in by its own tap, which a forged source could not do.
func (s *Snapshot) source(about, mac string, heard bool) stackmend.Finding {
	f := stackmend.Finding{Code: CodeSource, Status: stackmend.Warn, Subject: about, Confidence: stackmend.Medium,
		Fix: beforeAll + "Filter its tap (-protect), or add it to the allow-list if it bridges by design."}
	suspects := s.Cloud.ByMAC(mac)
	switch {
	case s.Cloud == nil:
		f.Code, f.Status, f.Confidence = CodeSourceUnknown, stackmend.Unknown, stackmend.Unstated
		f.Message = "the BPDUs came from " + mac + "; whose it is was not looked up"
		f.Fix = beforeAll + "Give the ports of Neutron, or ask: openstack port list --mac-address " + mac
		return f
	case len(suspects) == 0:
		f.Code, f.Confidence = CodeSourceUnknown, stackmend.Unstated
		f.Message = "the BPDUs came from " + mac + ", which is no port's: a host, a switch, a bridge within an instance, or a forged source"
		f.Fix = "look where the BPDUs come in: -capture on the hosts behind the port; spanning tree of a Linux bridge that holds an uplink makes the host itself a sender"
		if len(s.Cloud.Unseen) > 0 {
			f.Status = stackmend.Unknown
			f.Message += "; not all ports were seen"
		}
		return f
	case len(suspects) > 1:
		f.Code, f.Confidence = CodeSourceAmbiguous, stackmend.Low
		f.Message = fmt.Sprintf("the BPDUs came from %s, which %d ports have or may use", mac, len(suspects))
	default:
		f.Message = "the BPDUs came from " + mac + ": " + suspects[0].String()
		if suspects[0].Pair {
			f.Confidence = stackmend.Low
		} else if heard {
			f.Confidence = stackmend.High
		}
	}
	for _, p := range suspects {
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: "neutron port " + p.Port.ID, Value: p.String()})
	}
	if !heard {
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: "source MAC", Value: "an instance without port security can forge it", Against: true})
	}
	return f
}

// cascadeWindow is how long after a port was disabled the next one may be a
// consequence: a guest that is started again within the day.
const cascadeWindow = 24 * time.Hour

// cascades finds incidents that follow from one another.
func (s *Snapshot) cascades(incidents []Incident) []stackmend.Finding {
	var out []stackmend.Finding
	suspects := make([][]Suspect, len(incidents))
	for n, later := range incidents {
		suspects[n] = s.Cloud.ByMAC(later.MAC)
		for m := n - 1; m >= max(0, n-maxBack); m-- {
			earlier := incidents[m]
			gap := later.Began.Sub(earlier.Began)
			if gap > cascadeWindow || gap < 0 {
				break
			}
			if earlier.Switch == later.Switch && portKey(earlier.Port) == portKey(later.Port) {
				continue
			}
			if why, sure := related(earlier, later, suspects[m], suspects[n]); why != "" {
				out = append(out, cascade(earlier, later, why, sure))
				break
			}
		}
	}
	return out
}

func cascade(earlier, later Incident, why string, sure stackmend.Confidence) stackmend.Finding {
	return stackmend.Finding{Code: CodeCascade, Status: stackmend.Fail, Subject: later.Switch + " " + later.portName(), Confidence: sure,
		Message: fmt.Sprintf("%v after %s %s the next port was disabled, %s", later.Began.Sub(earlier.Began), earlier.Switch, earlier.portName(), why),
		Fix:     beforeAll + "Filter the taps of that user's instances on all hosts first, then bring the ports back.",
		Evidence: []stackmend.Evidence{
			{Source: earlier.Switch, Value: earlier.portName() + " disabled", At: earlier.Began},
			{Source: later.Switch, Value: later.portName() + " disabled", At: later.Began},
		}}
}

// related says what two incidents have in common. pa and pb are the ports of
// their sources.
func related(a, b Incident, pa, pb []Suspect) (string, stackmend.Confidence) {
	if slices.ContainsFunc(a.MACs, func(m string) bool { return slices.Contains(b.MACs, m) }) {
		return "by the same source MAC " + b.MAC + ": the instance moved", stackmend.High
	}
	if len(pa) == 1 && len(pb) == 1 {
		return common(pa[0], pb[0])
	}
	if a.MAC == "" && b.MAC == "" && b.Began.Sub(a.Began) <= 2*time.Hour {
		return "and neither log tells a source MAC: it may be the same sender", stackmend.Low
	}
	return "", stackmend.Unstated
}

func common(a, b Suspect) (string, stackmend.Confidence) {
	switch {
	case a.Server != nil && b.Server != nil && a.Server.User != "" && a.Server.User == b.Server.User:
		return "by another instance of the same user " + a.Server.User, stackmend.Medium
	case a.Server != nil && b.Server != nil && a.Server.Image != "" && a.Server.Image == b.Server.Image:
		return "by another instance of the same image " + a.Server.Image, stackmend.Medium
	case a.Port.Project != "" && a.Port.Project == b.Port.Project:
		return "by another instance of the same project " + a.Port.Project, stackmend.Medium
	}
	return "", stackmend.Unstated
}
