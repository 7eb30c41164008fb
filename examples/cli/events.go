package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/stackmend/stackmend"
)

// eventJSON is a line of -events.
type eventJSON struct {
	Time   time.Time `json:"time"`
	Index  int       `json:"index"`
	Total  int       `json:"total"`
	Verb   string    `json:"verb,omitempty"`
	Target string    `json:"target,omitempty"`
	Phase  string    `json:"phase"`
	Guard  string    `json:"guard,omitempty"`
	Done   int64     `json:"done,omitempty"`
	Of     int64     `json:"of,omitempty"`
	Unit   string    `json:"unit,omitempty"`
	Ended  bool      `json:"ended,omitempty"`
	Error  string    `json:"error,omitempty"`
}

func eventLine(e stackmend.Event) eventJSON {
	j := eventJSON{e.Time.UTC(), e.Index, e.Total, e.Step.Verb, e.Step.Target, string(e.Phase), e.Guard, e.Done, e.Of, e.Unit, e.Ended, ""}
	if e.Err != nil {
		j.Error = e.Err.Error()
	}
	return j
}

// onEvent writes events to -events, and progress to a terminal.
func (s *session) onEvent(p *stackmend.Plan, close *closers) (func(stackmend.Event), error) {
	var file io.Writer = io.Discard
	if s.flags.Events != "" {
		f, err := os.OpenFile(s.flags.Events, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, Usage("-events: %v", err)
		}
		close.add(f.Close)
		file = f
	}
	lines := json.NewEncoder(file)
	terminal, sp := isTerminal(s.std.Err), newSpeed(p)
	return func(e stackmend.Event) {
		_ = lines.Encode(eventLine(e))
		if terminal {
			progress(s.std.Err, e, sp.text(e))
		}
	}, nil
}

// progress keeps one line on a terminal up to date.
func progress(w io.Writer, e stackmend.Event, speed string) {
	text := fmt.Sprintf("[%d/%d] %s: %s", e.Index+1, e.Total, e.Step, e.Phase)
	switch {
	case e.Guard != "" && e.Err != nil:
		text += ": " + e.Err.Error()
	case e.Unit != "" && e.Of > 0:
		text += fmt.Sprintf(" %d%% of %d %s%s", 100*e.Done/e.Of, e.Of, e.Unit, speed)
	case e.Unit != "":
		text += fmt.Sprintf(" %d %s%s", e.Done, e.Unit, speed)
	}
	text = Clean(text)
	if r := []rune(text); len(r) > 110 {
		text = string(r[:109]) + "…"
	}
	fmt.Fprintf(w, "\r\x1b[K%s", text)
	if e.Ended && (e.Phase == stackmend.PhaseVerify || e.Phase == stackmend.PhaseRevert) {
		fmt.Fprintln(w)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
