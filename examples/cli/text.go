package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/stackmend/stackmend"
)

// Clean makes text from outside fit for a terminal: control characters and
// escape sequences, and the marks that turn the direction of writing, are
// written out. Line ends stay.
func Clean(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || r == '\t' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// line is Clean for what must stay on one line.
func line(text string) string {
	return strings.Join(strings.Fields(Clean(strings.ToValidUTF8(text, "\ufffd"))), " ")
}

// Note prints a line and returns no error, so that it can stand in a return.
func Note(w io.Writer, format string, args ...any) error {
	fmt.Fprint(w, Clean(fmt.Sprintf(format, args...)))
	return nil
}

// print writes the result as the flags say.
func (s *session) print(r stackmend.Result) error {
	if s.flags.HTML != "" {
		if err := s.page(r); err != nil {
			return fmt.Errorf("-html: %w", err)
		}
	}
	switch {
	case s.flags.JSON:
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.std.Out, "%s\n", b)
		return err
	case s.flags.Nagios:
		return s.nagios(r)
	}
	return Text(s.std.Out, r, s.Table, s.std.Colour())
}

// Colour reports whether Out is a terminal that shows colours to somebody who
// wants them.
func (s Streams) Colour() bool {
	return isTerminal(s.Out) && s.Getenv("NO_COLOR") == "" && s.Getenv("TERM") != "dumb"
}

// Text writes a result for people. The table, if there is one, prints what was
// observed, between the findings and the plan.
func Text(w io.Writer, r stackmend.Result, table func(io.Writer), colour bool) error {
	p := printer{w: w, colour: colour}
	p.result(r, table)
	return p.err
}

// nagios prints the one line that a plugin is read for. A | would begin its
// performance data.
func (s *session) nagios(r stackmend.Result) error {
	text := "nothing found"
	if len(r.Findings) > 0 {
		worst := slices.MaxFunc(r.Findings, func(a, b stackmend.Finding) int {
			if a.Status == b.Status {
				return 0
			}
			if stackmend.Worst(a.Status, b.Status) == a.Status {
				return 1
			}
			return -1
		})
		text = fmt.Sprintf("%s %s: %s (%d findings)", worst.Code, worst.Subject, worst.Message, len(r.Findings))
	}
	word := map[stackmend.Status]string{stackmend.OK: "OK", stackmend.Warn: "WARNING", stackmend.Fail: "CRITICAL"}[r.Status]
	if word == "" {
		word = "UNKNOWN"
	}
	_, err := fmt.Fprintf(s.std.Out, "%s %s - %s\n", strings.ToUpper(s.Name), word, strings.ReplaceAll(line(text), "|", "/"))
	return err
}

// printer writes a result for people.
type printer struct {
	w      io.Writer
	colour bool
	err    error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// status writes a status or state in its colour.
func (p *printer) status(word string) string {
	code := map[string]string{"ok": "32", "done": "32", "would": "32", "reverted": "33", "warn": "33", "stale": "33", "refused": "33",
		"fail": "31", "failed": "31", "uncertain": "35", "unknown": "35", "partial": "33"}[word]
	if !p.colour || code == "" {
		return word
	}
	return "\x1b[" + code + "m" + word + "\x1b[0m"
}

func (p *printer) result(r stackmend.Result, table func(io.Writer)) {
	p.printf("%s %s: %s\n", line(r.Check), line(r.Subject), p.status(r.Status.String()))
	for _, f := range r.Findings {
		p.finding(f)
	}
	if table != nil {
		p.printf("\n")
		table(p.w)
	}
	if r.Plan != nil {
		p.plan(r)
	}
}

func (p *printer) finding(f stackmend.Finding) {
	sure := ""
	if f.Confidence != stackmend.Unstated {
		sure = " (confidence " + f.Confidence.String() + ")"
	}
	p.printf("\n%s %s %s%s\n  %s\n", p.status(f.Status.String()), f.Code, line(f.Subject), sure, line(f.Message))
	for _, e := range f.Evidence {
		word := "seen"
		if e.Against {
			word = "against"
		}
		at := ""
		if !e.At.IsZero() {
			at = " at " + e.At.UTC().Format("2006-01-02T15:04:05Z")
		}
		p.printf("  %s: %s: %s%s\n", word, line(e.Source), line(e.Value), at)
	}
	if f.Fix != "" {
		p.printf("  next: %s\n", line(f.Fix))
	}
}

func (p *printer) plan(r stackmend.Result) {
	plan := r.Plan
	p.printf("\nplan %.12s: %s, %d steps, %d kept", plan.ID(), r.Mode, len(plan.Steps), len(plan.Kept))
	if !plan.Expires.IsZero() {
		p.printf(", expires %s", plan.Expires.UTC().Format("2006-01-02T15:04:05Z"))
	}
	p.printf("\n")
	for _, why := range plan.Refusals {
		p.printf("  %s: %s\n", p.status("refused"), line(why))
	}
	for _, what := range plan.Unseen {
		p.printf("  not seen: %s\n", line(what))
	}
	for i, s := range plan.Steps {
		p.step(s, outcome(r, i))
	}
	p.kept(plan.Kept)
}

// keptReasons is how many reasons for leaving things alone are told.
const keptReasons = 8

// kept tells why things are left alone, each reason once.
func (p *printer) kept(list []stackmend.Kept) {
	of := map[string][]string{}
	var order []string
	for _, k := range list {
		if len(of[k.Reason]) == 0 {
			order = append(order, k.Reason)
		}
		of[k.Reason] = append(of[k.Reason], k.Target)
	}
	for _, why := range order[:min(keptReasons, len(order))] {
		more := ""
		if n := len(of[why]) - 1; n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		p.printf("  kept %s%s: %s\n", line(of[why][0]), more, line(why))
	}
	if n := len(order) - keptReasons; n > 0 {
		p.printf("  and %d more reasons, which -json has\n", n)
	}
}

func outcome(r stackmend.Result, i int) stackmend.Outcome {
	if i < len(r.Outcomes) {
		return r.Outcomes[i]
	}
	return stackmend.Outcome{}
}

func (p *printer) step(s stackmend.Step, o stackmend.Outcome) {
	p.printf("  %s %s: %s", p.status(o.State.String()), line(s.String()), line(s.Reason))
	if s.Cost.Bytes > 0 {
		p.printf(" [%s]", Bytes(s.Cost.Bytes))
	}
	if o.Note != "" {
		note, _, _ := strings.Cut(o.Note, "\n") // after it: the stack of a panic, which -json has
		p.printf("\n    %s", line(note))
	}
	p.printf("\n")
}

// announce says on stderr what is about to be changed, and where.
func (s *session) announce(p *stackmend.Plan, o stackmend.Options) {
	host, err := os.Hostname()
	if err != nil {
		host = "this host"
	}
	verbs := map[string]int{}
	var order []string
	for _, st := range p.Steps {
		if verbs[st.Verb]++; verbs[st.Verb] == 1 {
			order = append(order, st.Verb)
		}
	}
	for i, v := range order {
		order[i] = fmt.Sprintf("%d x %s", verbs[v], v)
	}
	_ = Note(s.std.Err, "%s: %s plan %.12s on %s, subject %s: %s\n", s.Name, o.Mode, p.ID(), host, p.Subject, strings.Join(order, ", "))
}
