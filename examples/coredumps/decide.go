package coredumps

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/stackmend/stackmend"
)

// TooMuch is the code of the finding that the dumps hold more than they may.
const TooMuch = "too-much"

// VerbMove moves a dump into Old.
const VerbMove = "move"

// Keys of what a step assumes.
const (
	seenBytes = "bytes"
	seenTime  = "time"
)

// Policy is what the operator decides.
type Policy struct {
	Limit  int64         // bytes that all dumps together may hold; at least 1
	MinAge time.Duration // younger ones are kept: somebody may look at them
	Valid  time.Duration // of a plan; zero: an hour
}

// Validate refuses a policy that says nothing: a limit of zero would be
// everything.
func (p Policy) Validate() error {
	if p.Limit < 1 || p.MinAge < 0 || p.Valid < 0 {
		return errors.New("coredumps: a policy needs a Limit, and times that are not negative")
	}
	return nil
}

// Check says whether the dumps hold more than they may.
func Check(s *Snapshot, p Policy) (stackmend.Result, error) {
	if err := p.Validate(); err != nil {
		return stackmend.Result{}, err
	}
	r := stackmend.Result{Schema: stackmend.Schema, Check: "coredumps", Subject: s.Dir, Status: stackmend.OK, Started: s.At, Finished: s.At}
	if len(s.Unseen) > 0 {
		r.Status = stackmend.Unknown // what was not seen may be the largest
	}
	if total := s.bytes(); total > p.Limit {
		r.Status = stackmend.Worst(r.Status, stackmend.Warn)
		r.Findings = append(r.Findings, stackmend.Finding{
			Code: TooMuch, Status: stackmend.Warn, Subject: s.Dir, Confidence: stackmend.High,
			Message:  fmt.Sprintf("%d dumps hold %d bytes, %d are allowed", len(s.Dumps), total, p.Limit),
			Fix:      "find out what crashes; move old dumps away with a plan",
			Evidence: []stackmend.Evidence{{Source: s.Dir, Value: strconv.FormatInt(total, 10) + " bytes", At: s.At}},
		})
	}
	return r, nil
}

func (s *Snapshot) bytes() (n int64) {
	for _, d := range s.Dumps {
		n += d.Bytes
	}
	return n
}

// Plan moves the oldest dumps until the rest holds no more than the limit.
func Plan(s *Snapshot, p Policy) (*stackmend.Plan, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.Valid == 0 {
		p.Valid = time.Hour
	}
	plan := &stackmend.Plan{Check: "coredumps", Subject: s.Dir, Created: s.At, Expires: s.At.Add(p.Valid), Unseen: s.Unseen,
		Exists: stackmend.Cost{Rows: int64(len(s.Dumps)), Bytes: s.bytes()}}
	oldest := slices.Clone(s.Dumps)
	slices.SortStableFunc(oldest, func(a, b Dump) int { return a.Time.Compare(b.Time) })
	left := s.bytes()
	for _, d := range oldest {
		if why := p.keeps(d, s.At, left); why != "" {
			plan.Kept = append(plan.Kept, stackmend.Kept{Target: d.Name, Reason: why})
			continue
		}
		left -= d.Bytes
		plan.Steps = append(plan.Steps, step(d))
	}
	return plan, nil
}

// keeps says why a dump stays; empty: it may go.
func (p Policy) keeps(d Dump, now time.Time, left int64) string {
	switch {
	case left <= p.Limit:
		return "the dumps hold no more than is allowed"
	case now.Sub(d.Time) < p.MinAge:
		return fmt.Sprintf("younger than %v", p.MinAge)
	}
	return ""
}

func step(d Dump) stackmend.Step {
	return stackmend.Step{
		Verb: VerbMove, Target: d.Name, Reason: "one of the oldest of too many", Undo: "move " + Old + "/" + d.Name + " back",
		Assumes: seen(d.Bytes, d.Time), Cost: stackmend.Cost{Rows: 1, Bytes: d.Bytes},
	}
}

// seen is what a step assumes of a dump.
func seen(bytes int64, at time.Time) map[string]string {
	return map[string]string{seenBytes: strconv.FormatInt(bytes, 10), seenTime: at.UTC().Format(time.RFC3339Nano)}
}
