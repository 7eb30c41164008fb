package stackmend

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
	"unicode/utf8"
)

// A Plan says what would be changed and what it rests on. It is plain data
// that a person can review: what was seen, what could not be seen, what is
// kept and why. A plan is made by a package's Plan function, stored as JSON,
// and carried out by [Run].
type Plan struct {
	Check, Subject   string
	Created, Expires time.Time // zero Expires: never applied
	Exists           Cost      // all there is: what MaxShare divides by
	Unseen           []string  // what could not be seen
	Refusals         []string  // why nothing may be done at all: Run refuses
	Steps            []Step
	Kept             []Kept
}

// Kept is something that a plan leaves alone, and why.
type Kept struct {
	Target string `json:"target"`
	Reason string `json:"reason"`
}

// Cost is what a step touches, or all that exists. Zero means none or not
// applicable, in a Plan's Exists: not known.
type Cost struct {
	Rows      int64 `json:"rows,omitempty"`
	Bytes     int64 `json:"bytes,omitempty"`
	Instances int64 `json:"instances,omitempty"`
}

// A Step is one change. Verb and Target say what is done to what; Args holds
// the rest, never a secret.
type Step struct {
	Verb   string            `json:"verb"`
	Target string            `json:"target"`
	Args   map[string]string `json:"args,omitempty"`
	Reason string            `json:"reason"`
	Undo   string            `json:"undo,omitempty"` // how it is undone; empty: refused unless Options.Irreversible

	// Assumes is what was seen when the plan was made, key by key. The step
	// is stale as soon as one of them differs.
	Assumes map[string]string `json:"assumes,omitempty"`
	Cost    Cost              `json:"cost,omitzero"`

	// Stage orders the plan: all steps of a stage end before the next begins.
	Stage int `json:"stage,omitempty"`
	// Group names the steps that belong together from the first to the last.
	// They run in order, side by side with other groups. If the run stops
	// in between, those begun are reverted, last first.
	Group string `json:"group,omitempty"`
	// Timeout is the longest time between two Gates, or for the whole step
	// if it has none. Zero: Options.StepTimeout.
	Timeout time.Duration `json:"timeout_ns,omitempty"`
}

// planJSON is what the ID covers, in the order of the JSON form.
type planJSON struct {
	Schema   int       `json:"schema"`
	ID       string    `json:"id,omitempty"`
	Check    string    `json:"check"`
	Subject  string    `json:"subject"`
	Created  time.Time `json:"created,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	Exists   Cost      `json:"exists"`
	Unseen   []string  `json:"unseen"`
	Refusals []string  `json:"refusals"`
	Steps    []Step    `json:"steps"`
	Kept     []Kept    `json:"kept"`
}

// form normalises what may differ without a difference: nil and empty lists,
// and the zone in which an instant is told.
func (p *Plan) form() planJSON {
	return planJSON{
		Schema: Schema, Check: p.Check, Subject: p.Subject,
		Created: p.Created.UTC(), Expires: p.Expires.UTC(), Exists: p.Exists,
		Unseen: list(p.Unseen), Refusals: list(p.Refusals), Steps: list(p.Steps), Kept: list(p.Kept),
	}
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// ID returns the SHA-256, in hexadecimal, over everything in the plan. It
// pins what was reviewed; it is no signature, for whoever edits a file can
// compute a new one. Compare it with the ID that was reviewed
// ([Options.PlanID]).
func (p *Plan) ID() string {
	f := p.form()
	f.ID = ""
	b, err := json.Marshal(f)
	if err != nil { // a year outside of 0 to 9999: such a plan has no JSON form
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// MarshalJSON writes the documented form with the plan's ID.
func (p *Plan) MarshalJSON() ([]byte, error) {
	if err := p.valid(); err != nil {
		return nil, err
	}
	f := p.form()
	f.ID = p.ID()
	return json.Marshal(f)
}

// UnmarshalJSON reads the documented form. The error is compatible with
// errors.Is(err, ErrEdited) if the content does not match its ID, has fields
// that the ID does not cover, or could be read in two ways, and with errors.Is(err, ErrSchema) if it
// is of another version.
func (p *Plan) UnmarshalJSON(b []byte) error {
	var head struct {
		Schema int `json:"schema"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return err
	}
	if head.Schema != Schema {
		return fmt.Errorf("%w: plan has schema %d, this library reads %d", ErrSchema, head.Schema, Schema)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var f planJSON
	if err := d.Decode(&f); err != nil {
		return fmt.Errorf("%w: %w", ErrEdited, err)
	}
	q := Plan{f.Check, f.Subject, f.Created, f.Expires, f.Exists, f.Unseen, f.Refusals, f.Steps, f.Kept}
	if id := q.ID(); id == "" || id != f.ID {
		return fmt.Errorf("%w: the file says ID %.12s, its content has %.12s", ErrEdited, f.ID, id)
	}
	if !q.reads(b) {
		return fmt.Errorf("%w: it is not written as this library writes it, so that others may read it differently", ErrEdited)
	}
	*p = q
	return nil
}

// reads reports whether any other reader of JSON finds in b what is in the
// plan: encoding/json alone takes "STEPS" for "steps", joins the maps of fields
// that are there twice, and reads what is not UTF-8.
func (p *Plan) reads(b []byte) bool {
	ours, err := p.MarshalJSON()
	if err != nil || !utf8.Valid(b) {
		return false
	}
	var want, got any
	if json.Unmarshal(ours, &want) != nil || json.Unmarshal(b, &got) != nil {
		return false
	}
	return reflect.DeepEqual(want, got)
}

// valid reports why the plan has no faithful JSON form: text that is not
// UTF-8 would come back as other text, and a step would then name another
// target than the one that was seen.
func (p *Plan) valid() error {
	if p.ID() == "" {
		return fmt.Errorf("stackmend: plan has a time that cannot be written")
	}
	texts := append([]string{p.Check, p.Subject}, p.Unseen...)
	texts = append(texts, p.Refusals...)
	for _, k := range p.Kept {
		texts = append(texts, k.Target, k.Reason)
	}
	for _, s := range p.Steps {
		texts = append(texts, s.texts()...)
	}
	for _, t := range texts {
		if !utf8.ValidString(t) {
			return fmt.Errorf("stackmend: plan has text that is not UTF-8: %q", t)
		}
	}
	return nil
}

func (s Step) texts() []string {
	t := []string{s.Verb, s.Target, s.Reason, s.Undo, s.Group}
	for _, m := range []map[string]string{s.Args, s.Assumes} {
		for k, v := range m {
			t = append(t, k, v)
		}
	}
	return t
}

// String names the step for messages.
func (s Step) String() string { return s.Verb + " " + s.Target }

// Holds compares what the step assumed with what was seen just now. It returns
// a *StaleError for the first key, in order, that differs; a key that was not
// seen differs. It is what an Applier's Recheck and Do are made of.
func (s Step) Holds(seen map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(s.Assumes)) {
		got, ok := seen[k]
		if !ok {
			return &StaleError{s.Target, k, s.Assumes[k], "(not seen)"}
		}
		if got != s.Assumes[k] {
			return &StaleError{s.Target, k, s.Assumes[k], got}
		}
	}
	return nil
}
