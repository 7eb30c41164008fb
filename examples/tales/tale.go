package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/cli"
)

// incidents are the recorded inputs, one folder per incident. README.md in
// there says where they come from.
//
//go:embed all:testdata/incidents
var embedded embed.FS

// A tale replays one incident.
type tale struct {
	name, title string
	story       string // what happened to people
	play        func(s *stage) error
}

// tales are all of them, in the order in which they are told.
var tales = []tale{mtuTale, dhcpTale, bpduTale, imagecacheTale, bootvolumeTale, consolelogTale, dbarchiveTale, stormTale, fragmentedTale}

// A stage is where a tale is played: its inputs, a sandbox, and who listens.
type stage struct {
	ctx    context.Context
	inputs fs.FS
	dir    string // of its own, removed afterwards
	w      io.Writer
	colour bool
	parts  []cli.Part
}

// tell plays the tale and returns what was told.
func (t tale) tell(ctx context.Context, w io.Writer, colour bool) (parts []cli.Part, err error) {
	dir, err := os.MkdirTemp("", "tales-"+t.name+"-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	inputs, err := fs.Sub(embedded, "testdata/incidents/"+t.name)
	if err != nil {
		return nil, err
	}
	s := &stage{ctx: ctx, inputs: inputs, dir: dir, w: w, colour: colour}
	fmt.Fprintf(w, "\n%s\n%s\n\n", s.bold(t.title), strings.Repeat("=", len([]rune(t.title))))
	s.say("", t.story)
	if err := t.play(s); err != nil {
		return nil, err
	}
	return s.parts, ctx.Err()
}

func (s *stage) bold(text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}

// say tells a paragraph.
func (s *stage) say(title, text string) {
	s.parts = append(s.parts, cli.Part{Title: title, Text: text})
	if title != "" {
		fmt.Fprintf(s.w, "\n%s\n", s.bold("* "+title))
	}
	if text != "" {
		s.print(wrap(strings.ReplaceAll(text, s.dir, "/srv"), 100) + "\n\n")
	}
}

// result tells what a check or a run said. A terminal shows the first findings
// and steps; the page and -json have all.
func (s *stage) result(title, text string, r stackmend.Result) error {
	s.say(title, text)
	s.parts = append(s.parts, cli.Part{Result: &r})
	var b bytes.Buffer
	short, more := shorten(r)
	if err := cli.Text(&b, short, nil, s.colour); err != nil {
		return err
	}
	s.print(indent(fewerSteps(b.String())) + more)
	return nil
}

// table tells text of a fixed width.
func (s *stage) table(write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	s.parts = append(s.parts, cli.Part{Verbose: b.String()})
	s.print("\n" + indent(cli.Clean(b.String())))
	return nil
}

// print names the sandbox as a place that means something to the reader.
func (s *stage) print(text string) { fmt.Fprint(s.w, strings.ReplaceAll(text, s.dir, "/srv")) }

// picture shows what write draws; a terminal does without.
func (s *stage) picture(caption string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	s.parts = append(s.parts, cli.Part{SVG: b.Bytes(), Caption: caption})
	return nil
}

// run carries a plan out and tells how it went. A refusal is part of a tale;
// whatever else goes wrong ends it.
func (s *stage) run(title, text string, p *stackmend.Plan, a stackmend.Applier, o stackmend.Options) error {
	run, err := stackmend.Run(s.ctx, p, a, o)
	if err != nil && !errors.Is(err, stackmend.ErrRefused) {
		var guard *stackmend.GuardError
		if !errors.As(err, &guard) {
			return err
		}
	}
	if e := s.result(title, text, run); e != nil || err == nil {
		return e
	}
	s.say("", "Not done: "+strings.TrimPrefix(err.Error(), "stackmend: "))
	return nil
}

// How much of a result a terminal shows.
const (
	mostFindings = 3
	mostEvidence = 3
	mostSteps    = 6
)

// shorten leaves out what would fill a terminal, and says what.
func shorten(r stackmend.Result) (short stackmend.Result, more string) {
	short = r
	worst := slices.Clone(r.Findings)
	slices.SortStableFunc(worst, func(a, b stackmend.Finding) int {
		switch {
		case a.Status == b.Status:
			return 0
		case stackmend.Worst(a.Status, b.Status) == a.Status:
			return -1
		}
		return 1
	})
	short.Findings = nil
	for _, f := range worst[:min(len(worst), mostFindings)] {
		f.Evidence = f.Evidence[:min(len(f.Evidence), mostEvidence)]
		short.Findings = append(short.Findings, f)
	}
	if n := len(r.Findings) - len(short.Findings); n > 0 {
		more = fmt.Sprintf("  ... and %d more findings (-json, -html)\n", n)
	}
	if r.Plan != nil && len(r.Plan.Steps) > mostSteps {
		more += fmt.Sprintf("  ... and %d more steps\n", len(r.Plan.Steps)-mostSteps)
	}
	return short, more
}

// fewerSteps leaves out the later steps of a plan that was written for people:
// a plan with fewer steps would be another one, with another ID.
func fewerSteps(text string) string {
	head, plan, ok := strings.Cut(text, "\nplan ")
	if !ok {
		return text
	}
	var b strings.Builder
	steps := 0
	for line := range strings.Lines(plan) {
		words := strings.Fields(line)
		switch {
		case !strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "   ") || len(words) == 0:
		case !strings.HasSuffix(words[0], ":") && words[0] != "not": // neither "refused:" nor "not seen:"
			steps++
		}
		if steps <= mostSteps {
			b.WriteString(line)
		}
	}
	return head + "\nplan " + b.String()
}

// wrap breaks lines between words.
func wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		switch n := len([]rune(word)); {
		case column == 0:
			column = n
		case column+1+n > width:
			b.WriteByte('\n')
			column = n
		default:
			b.WriteByte(' ')
			column += 1 + n
		}
		b.WriteString(word)
	}
	return b.String()
}
