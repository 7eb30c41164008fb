package stackmend

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The file is text: a line an entry, each with its CRC-32C in front, so that
// a person can read it and a damaged line is known.
//
//	4f1c9e02 {"kind":"begin","step":3,"time":"..."}
const (
	kindHead   = "stackmend journal" // first line of the file
	kindPast   = "past"              // a run before
	kindRun    = "run"               // a run begins, with its plan
	kindBegin  = "begin"             // a step is about to be done
	kindRecord = "record"            // what a step wants to remember
	kindEnd    = "end"               // what became of a step
	kindRevert = "revert"            // a step is about to be undone
	kindClose  = "close"             // the run has ended, nothing is open
)

type entry struct {
	Kind    string    `json:"kind"`
	Schema  int       `json:"schema,omitempty"`
	Step    int       `json:"step,omitempty"`
	Time    time.Time `json:"time,omitzero"`
	Started time.Time `json:"started,omitzero"`
	State   State     `json:"state,omitempty"`
	Note    string    `json:"note,omitempty"`
	Key     string    `json:"key,omitempty"`
	Value   string    `json:"value,omitempty"`
	Plan    *Plan     `json:"plan,omitempty"`
	Past    *pastRun  `json:"past,omitempty"`
}

// pastRun is what is kept of a run that has ended.
type pastRun struct {
	Check   string         `json:"check"`
	Subject string         `json:"subject"`
	Plan    string         `json:"plan"` // its ID
	Ended   time.Time      `json:"ended,omitzero"`
	States  map[string]int `json:"states"` // how many steps ended in each
}

// keepPast is how many of the runs before are kept, a line each.
const keepPast = 100

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (e entry) line() ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrJournal, err)
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(b, castagnoli), b), nil
}

func parseLine(line []byte) (entry, error) {
	sum, b, ok := bytes.Cut(line, []byte(" "))
	if !ok || string(sum) != fmt.Sprintf("%08x", crc32.Checksum(b, castagnoli)) {
		return entry{}, fmt.Errorf("%w: checksum does not match", ErrJournal)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var e entry
	if err := d.Decode(&e); err != nil {
		return entry{}, fmt.Errorf("%w: %w", ErrJournal, err)
	}
	return e, nil
}

// load reads the file, takes every entry in, and cuts off a torn last line. A
// line is torn if its newline never reached the disk; one that has it and does
// not match its checksum was damaged later.
func (j *Journal) load() error {
	in := bufio.NewReader(j.f)
	if err := checkHead(in); err != nil {
		return err
	}
	var good int64
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrJournal, err)
		}
		e, err := parseLine(line[:len(line)-1])
		if err == nil && (n == 1) != (e.Kind == kindHead) {
			err = fmt.Errorf("%w: a head in the middle", ErrJournal)
		}
		if err == nil {
			err = j.apply(e)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		good += int64(len(line))
	}
	return j.resetTo(good)
}

// checkHead refuses a file that does not begin as a journal, or as what is left
// of one that was torn at its birth, before anything is cut off it.
func checkHead(in *bufio.Reader) error {
	head, err := entry{Kind: kindHead, Schema: Schema}.line()
	if err != nil {
		return err
	}
	got, err := in.Peek(in.Size())
	if err != nil && err != io.EOF {
		return fmt.Errorf("%w: %w", ErrJournal, err)
	}
	line, _, whole := bytes.Cut(got, []byte("\n"))
	if whole {
		if e, err := parseLine(line); err == nil && e.Kind == kindHead {
			return nil // of whatever schema
		}
	} else if bytes.HasPrefix(head, got) {
		return nil
	}
	return fmt.Errorf("line 1: %w: not a journal of this library", ErrJournal)
}

// resetTo drops what comes after the good part, and gives a new file its head.
func (j *Journal) resetTo(good int64) error {
	if err := j.f.Truncate(good); err != nil {
		return fmt.Errorf("%w: %w", ErrJournal, err)
	}
	if _, err := j.f.Seek(good, io.SeekStart); err != nil {
		return fmt.Errorf("%w: %w", ErrJournal, err)
	}
	if good > 0 {
		return nil
	}
	if err := j.write(entry{Kind: kindHead, Schema: Schema}); err != nil {
		return err
	}
	return syncDir(j.path)
}

// write appends an entry and returns when it is on disk. After a failure
// nothing more is written: what follows would stand behind a torn line.
func (j *Journal) write(e entry) error {
	if j.broken != nil {
		return j.broken
	}
	line, err := e.line()
	if err == nil {
		_, err = j.f.Write(line)
	}
	if err == nil {
		err = j.f.Sync()
	}
	if err != nil {
		j.broken = fmt.Errorf("%w: %w", ErrJournal, err)
	}
	return j.broken
}

// apply takes an entry into memory.
func (j *Journal) apply(e entry) error {
	switch e.Kind {
	case kindHead:
		if e.Schema != Schema {
			return fmt.Errorf("%w: journal has schema %d, this library reads %d", ErrSchema, e.Schema, Schema)
		}
		return nil
	case kindPast:
		if e.Past != nil {
			j.past = append(j.past, *e.Past)
		}
		return nil
	case kindRun:
		if e.Plan == nil || j.plan != nil {
			return fmt.Errorf("%w: a run without a plan, or within another", ErrJournal)
		}
		j.plan, j.closed, j.steps, j.begun = e.Plan, false, make([]stepState, len(e.Plan.Steps)), nil
		return nil
	case kindClose:
		j.closed = true
		return nil
	}
	if j.plan == nil || j.closed || e.Step < 0 || e.Step >= len(j.steps) {
		return fmt.Errorf("%w: entry %q of a step that no open run has", ErrJournal, e.Kind)
	}
	return j.applyStep(e)
}

func (j *Journal) applyStep(e entry) error {
	s := &j.steps[e.Step]
	switch e.Kind {
	case kindBegin:
		s.begun, s.outcome = true, Outcome{Started: e.Time}
		j.forget(e.Step)
		j.begun = append(j.begun, e.Step)
	case kindRecord:
		if s.records == nil {
			s.records = map[string]string{}
		}
		s.records[e.Key] = e.Value
	case kindRevert:
		s.outcome = Outcome{State: Uncertain, Note: "being reverted", Started: e.Time}
	case kindEnd:
		s.outcome = Outcome{State: e.State, Note: e.Note, Started: e.Started, Finished: e.Time}
		if e.State == Reverted {
			s.begun, s.records = false, nil
			j.forget(e.Step)
		}
	default:
		return fmt.Errorf("%w: unknown entry %q", ErrJournal, e.Kind)
	}
	return nil
}

func (j *Journal) forget(i int) {
	j.begun = slices.DeleteFunc(j.begun, func(k int) bool { return k == i })
}

// compact replaces the file by one that keeps a line of each run before.
func (j *Journal) compact() error {
	past := append(j.past, j.summary())
	if n := len(past); n > keepPast {
		past = past[n-keepPast:]
	}
	next := &Journal{path: j.path, past: past}
	f, err := createLocked(j.path + ".new")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrJournal, err)
	}
	next.f = f
	err = next.write(entry{Kind: kindHead, Schema: Schema})
	for i := range past {
		err = errors.Join(err, next.write(entry{Kind: kindPast, Past: &past[i]}))
	}
	if err == nil {
		err = os.Rename(j.path+".new", j.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%w: %w", ErrJournal, err), unlockClose(f))
	}
	_ = unlockClose(j.f)
	j.f, j.past = f, past
	return syncDir(j.path)
}

func (j *Journal) summary() pastRun {
	p := pastRun{Check: j.plan.Check, Subject: j.plan.Subject, Plan: j.plan.ID(), States: map[string]int{}}
	for _, s := range j.steps {
		p.States[s.outcome.State.String()]++
		if s.outcome.Finished.After(p.Ended) {
			p.Ended = s.outcome.Finished
		}
	}
	return p
}

// syncDir makes the name of a file in its directory last.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrJournal, err)
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}
