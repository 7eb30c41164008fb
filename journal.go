package stackmend

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// Journal is the memory of a run on disk: the whole plan first, the intent to
// do a step before it is done, its outcome after. It is what a resume and
// Mode Revert work from. It holds one run at a time; of those before it keeps a
// line each. A nil *Journal remembers nothing.
//
// The file is locked while it is open, has mode 0600, and is never followed
// through a symbolic link.
type Journal struct {
	mu     sync.Mutex
	path   string
	f      *os.File
	broken error // why it can no longer be written
	user   any   // the run that writes it
	past   []pastRun
	plan   *Plan // of the last run
	closed bool  // that run has ended with nothing open
	steps  []stepState
	begun  []int // steps in the order in which they were begun
}

// stepState is what the journal knows of a step.
type stepState struct {
	begun   bool
	outcome Outcome // the last one; NotBegun if none was written
	records map[string]string
}

// OpenJournal opens or makes the journal at path. A torn last line, which is
// what a crash leaves, is dropped. The error is compatible with errors.Is and
// ErrJournal if the file is damaged otherwise, ErrLocked if another process has
// it open, ErrSchema if it is of another version, ErrEdited if the plan in it
// was changed, and errors.ErrUnsupported where files cannot be locked.
func OpenJournal(path string) (*Journal, error) {
	f, err := openLocked(path)
	if err != nil {
		return nil, fmt.Errorf("stackmend: journal: %w", err)
	}
	j := &Journal{path: path, f: f, closed: true}
	err = j.load()
	if err == nil {
		err = private(f)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), unlockClose(f))
	}
	return j, nil
}

// private takes from others the right to read a journal that was not made here.
func private(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	return f.Chmod(0o600)
}

// Plan returns the plan of the interrupted run, nil if there is none.
func (j *Journal) Plan() *Plan {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	return j.plan
}

// Last returns what is known of the steps of the last run, whether it ended or
// not, in the order of its plan; nil if the journal never held one. A step that
// was begun and whose outcome was not written is Uncertain. It is what a later
// plan works from that puts back what this run has changed.
func (j *Journal) Last() []Outcome {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []Outcome
	for i, s := range j.steps {
		o := s.outcome
		if o.Step = j.plan.Steps[i]; s.begun && o.State == NotBegun {
			o.State = Uncertain
		}
		out = append(out, o)
	}
	return out
}

// Open returns the steps of the interrupted run that are not settled: begun
// and without a known outcome, or members of a group that is open.
func (j *Journal) Open() []Step {
	if j.Plan() == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var open []Step
	for _, i := range j.begun {
		if s := j.plan.Steps[i]; j.unsettled(i) || (s.Group != "" && !j.whole(s.Group)) {
			open = append(open, s)
		}
	}
	return open
}

// unsettled: begun, and neither known to be in effect nor known not to be.
func (j *Journal) unsettled(i int) bool {
	switch j.steps[i].outcome.State {
	case NotBegun, Uncertain, Partial:
		return j.steps[i].begun
	}
	return false
}

func (j *Journal) whole(group string) bool {
	for i, s := range j.plan.Steps {
		if s.Group == group && j.steps[i].outcome.State != Done {
			return false
		}
	}
	return true
}

// Close closes the file and lets others open it. What it holds stays.
func (j *Journal) Close() error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken == nil {
		j.broken = fmt.Errorf("%w: closed", ErrJournal)
	}
	return unlockClose(j.f)
}

// states returns what is known of the steps if the interrupted run is of p.
func (j *Journal) states(p *Plan) []stepState {
	if q := j.Plan(); q == nil || q.ID() != p.ID() {
		return nil
	}
	return slices.Clone(j.steps)
}

// order returns the begun steps of the interrupted run in their order.
func (j *Journal) order(p *Plan) []int {
	if j.states(p) == nil {
		return nil
	}
	return slices.Clone(j.begun)
}

// records returns a copy of what the step recorded.
func (j *Journal) records(i int) map[string]string {
	m := map[string]string{}
	if j == nil {
		return m
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if i < len(j.steps) {
		for k, v := range j.steps[i].records {
			m[k] = v
		}
	}
	return m
}

// accepts reports whether a run of p may use the journal: not if one of another
// plan is open in it.
func (j *Journal) accepts(p *Plan) error {
	open := j.Open()
	if len(open) == 0 || j.states(p) != nil {
		return nil
	}
	return fmt.Errorf("%w: it holds an interrupted run of plan %.12s (%s, %d steps open): resume or revert that first",
		ErrJournal, j.Plan().ID(), j.Plan().Check, len(open))
}

// begin makes the journal one of p's run, or goes on with the interrupted one.
// It is the user's until leave.
func (j *Journal) begin(p *Plan, user any) error {
	if j == nil {
		return nil
	}
	if !j.take(user) {
		return fmt.Errorf("%w: another run of this process writes the journal", ErrLocked)
	}
	if err := j.accepts(p); err != nil || j.states(p) != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.plan != nil {
		if err := j.compact(); err != nil {
			j.broken = err
			return err
		}
	}
	if err := j.write(entry{Kind: kindRun, Plan: p, Time: time.Now()}); err != nil {
		return err
	}
	j.plan, j.closed, j.steps, j.begun = p, false, make([]stepState, len(p.Steps)), nil
	return nil
}

func (j *Journal) take(user any) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.user == nil {
		j.user = user
	}
	return j.user == user
}

// leave lets another run use the journal.
func (j *Journal) leave(user any) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.user == user {
		j.user = nil
	}
}

// intent: step i is about to be done.
func (j *Journal) intent(i int, now time.Time) error {
	return j.append(entry{Kind: kindBegin, Step: i, Time: now})
}

// note keeps what step i recorded.
func (j *Journal) note(i int, key, value string) error {
	return j.append(entry{Kind: kindRecord, Step: i, Key: key, Value: value})
}

// end: what became of step i.
func (j *Journal) end(i int, o Outcome) error {
	return j.append(entry{Kind: kindEnd, Step: i, State: o.State, Note: o.Note, Started: o.Started, Time: o.Finished})
}

// reverting: step i is about to be undone.
func (j *Journal) reverting(i int, now time.Time) error {
	return j.append(entry{Kind: kindRevert, Step: i, Time: now})
}

// finish: the run has ended and nothing is open.
func (j *Journal) finish() error {
	if j.Plan() == nil {
		return nil
	}
	return j.append(entry{Kind: kindClose, Time: time.Now()})
}

// append writes an entry and takes it in.
func (j *Journal) append(e entry) error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.write(e); err != nil {
		return err
	}
	return j.apply(e)
}
