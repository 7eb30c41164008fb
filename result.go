package stackmend

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// Schema is the version of the JSON forms of [Plan] and [Result]. It grows
// when a reader of the old form could misread the new one; new optional
// fields of a Result do not change it. docs/json.md describes the form.
const Schema = 1

// Status is what a check found out. The zero value is Unknown: not knowing is
// never health.
type Status uint8

// The statuses, in JSON "unknown", "ok", "warn" and "fail". Ranked by how bad
// they are: OK, Warn, Unknown, Fail.
const (
	Unknown Status = iota
	OK
	Warn
	Fail
)

var statusNames = [...]string{Unknown: "unknown", OK: "ok", Warn: "warn", Fail: "fail"}

func (s Status) String() string { return name(statusNames[:], uint8(s), "Status") }

// MarshalText returns the name of the status.
func (s Status) MarshalText() ([]byte, error) { return marshalName(statusNames[:], uint8(s), "status") }

// UnmarshalText accepts the names of the four statuses and nothing else.
func (s *Status) UnmarshalText(b []byte) error {
	return unmarshalName(statusNames[:], b, (*uint8)(s), "status")
}

func (s Status) rank() int {
	switch s {
	case OK:
		return 0
	case Warn:
		return 1
	case Fail:
		return 3
	}
	return 2
}

// Worst returns the worst of the statuses: OK < Warn < Unknown < Fail. Of
// none it is Unknown, for nothing has been looked at.
func Worst(s ...Status) Status {
	if len(s) == 0 {
		return Unknown
	}
	worst := s[0]
	for _, t := range s[1:] {
		if t.rank() > worst.rank() {
			worst = t
		}
	}
	return worst
}

// Confidence says how sure a finding is. A finding that does not need the
// word leaves it Unstated.
type Confidence uint8

// The confidences, in JSON "", "low", "medium" and "high".
const (
	Unstated Confidence = iota
	Low
	Medium
	High
)

var confidenceNames = [...]string{Unstated: "", Low: "low", Medium: "medium", High: "high"}

func (c Confidence) String() string { return name(confidenceNames[:], uint8(c), "Confidence") }

// MarshalText returns the name of the confidence.
func (c Confidence) MarshalText() ([]byte, error) {
	return marshalName(confidenceNames[:], uint8(c), "confidence")
}

// UnmarshalText accepts the names of the confidences and nothing else.
func (c *Confidence) UnmarshalText(b []byte) error {
	return unmarshalName(confidenceNames[:], b, (*uint8)(c), "confidence")
}

// A Finding is one thing that a check found out.
type Finding struct {
	Code       string     `json:"code"` // a constant of the package, never reworded
	Status     Status     `json:"status"`
	Subject    string     `json:"subject"`       // what it is about: a file, a host, a link
	Message    string     `json:"message"`       // what is wrong, in one sentence
	Fix        string     `json:"fix,omitempty"` // what to do next
	Confidence Confidence `json:"confidence,omitempty"`
	Evidence   []Evidence `json:"evidence,omitempty"`
}

// Evidence is one observation that a finding rests on.
type Evidence struct {
	Source  string    `json:"source"` // where it was seen: a path, an API, a command
	Value   string    `json:"value"`  // what was seen
	At      time.Time `json:"at,omitzero"`
	Against bool      `json:"against,omitempty"` // it speaks against the finding
}

// A Result is what a check or a run has to say. It is plain data; its JSON
// form is a contract (docs/json.md).
type Result struct {
	Schema            int // set by the JSON form; other versions are refused
	Check             string
	Subject           string
	Status            Status
	Findings          []Finding
	Plan              *Plan // when one was made
	Mode              Mode  // of the run, if Outcomes has any
	Outcomes          []Outcome
	Started, Finished time.Time
}

// Then returns the result of a check together with the run that followed it:
// r's findings with run's plan, mode and outcomes, from r's start to run's
// finish. The status is the worst of both.
func (r Result) Then(run Result) Result {
	r.Status = Worst(r.Status, run.Status)
	r.Findings = append(r.Findings[:len(r.Findings):len(r.Findings)], run.Findings...)
	r.Plan, r.Mode, r.Outcomes = run.Plan, run.Mode, run.Outcomes
	r.Finished = run.Finished
	return r
}

// LogValue implements [slog.LogValuer] with the few attributes that a log
// line should carry.
func (r Result) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("check", r.Check),
		slog.String("subject", r.Subject),
		slog.String("status", r.Status.String()),
		slog.Int("findings", len(r.Findings)),
	}
	if r.Plan != nil {
		attrs = append(attrs, slog.String("plan", r.Plan.ID()), slog.String("mode", r.Mode.String()),
			slog.Int("outcomes", len(r.Outcomes)))
	}
	return slog.GroupValue(attrs...)
}

// resultJSON is the JSON form of a Result. Mode is a pointer because it says
// something only where there is a plan.
type resultJSON struct {
	Schema   int       `json:"schema"`
	Check    string    `json:"check"`
	Subject  string    `json:"subject"`
	Status   Status    `json:"status"`
	Findings []Finding `json:"findings"`
	Plan     *Plan     `json:"plan,omitempty"`
	Mode     *Mode     `json:"mode,omitempty"`
	Outcomes []Outcome `json:"outcomes,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
}

// MarshalJSON writes the documented form.
func (r Result) MarshalJSON() ([]byte, error) {
	f := resultJSON{Schema, r.Check, r.Subject, r.Status, r.Findings, r.Plan, nil, r.Outcomes, r.Started, r.Finished}
	if f.Findings == nil {
		f.Findings = []Finding{} // a list without entries, not null
	}
	if r.Plan != nil {
		f.Mode = &r.Mode
	}
	return json.Marshal(f)
}

// UnmarshalJSON reads the documented form. The error is compatible with
// errors.Is(err, ErrSchema) if it is of another version.
func (r *Result) UnmarshalJSON(b []byte) error {
	var f resultJSON
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	if f.Schema != Schema {
		return fmt.Errorf("%w: result has schema %d, this library reads %d", ErrSchema, f.Schema, Schema)
	}
	*r = Result{f.Schema, f.Check, f.Subject, f.Status, f.Findings, f.Plan, DryRun, f.Outcomes, f.Started, f.Finished}
	if f.Mode != nil {
		r.Mode = *f.Mode
	}
	return nil
}
