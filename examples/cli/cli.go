// Package cli is what the examples share: their flags, their output for people
// and for machines, their exit statuses. It may be imported, and it promises
// nothing; the library below it never prints, exits or reads a flag.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/stackmend/stackmend"
)

// A Tool is one example: how it observes, what it can plan, who carries it out.
type Tool struct {
	Name  string              // of the check, and of the program
	Brief string              // one line: what it is for
	Flags func(*flag.FlagSet) // its own flags

	// Observe reads what Check judges, and Seen points to what it fills, which
	// is plain data: so it can be kept with -record and judged elsewhere with
	// -replay. Both are nil where Check does the reading too.
	Observe func(ctx context.Context) error
	Seen    any
	// Check judges. Its error is what could not be found out.
	Check func(ctx context.Context) (stackmend.Result, error)
	// Plan makes the plan of what Check has observed; nil where nothing is
	// to be planned. Plan may be nil altogether.
	Plan func(ctx context.Context) (*stackmend.Plan, error)
	// Applier carries out a plan of this tool. A plan that comes from a file
	// or a journal was made by an earlier process, so nothing may have been
	// observed in this one.
	Applier func(ctx context.Context, p *stackmend.Plan) (stackmend.Applier, error)
	// Options adds to the options of a run what the tool needs.
	Options func(*stackmend.Options)
	// Table prints what was observed, for people.
	Table func(w io.Writer)
	// Pictures draws what was observed, for -html.
	Pictures func() ([]Part, error)
}

// Streams are where a tool reads and writes.
type Streams struct {
	Out, Err io.Writer
	Getenv   func(string) string
}

// Main runs a tool as a program and returns its exit status. The first SIGINT
// or SIGTERM ends the run at its next safe point, the second ends the program.
func Main(t Tool) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return t.Run(ctx, os.Args[1:], Streams{os.Stdout, os.Stderr, os.Getenv})
}

// errUsage marks wrong usage.
var errUsage = errors.New("usage")

// Usage returns an error that ends the program with status 64.
func Usage(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUsage, fmt.Sprintf(format, args...))
}

// Run runs the tool with these arguments and returns its exit status.
func (t Tool) Run(ctx context.Context, args []string, std Streams) int {
	f, err := t.parse(args, std.Err)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		t.complain(std.Err, err)
		return exitUsage
	}
	if f.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.Timeout)
		defer cancel()
	}
	s := &session{Tool: t, flags: f, std: std}
	status, err := s.run(ctx)
	if err != nil {
		t.complain(std.Err, err)
	}
	return status
}

// complain prints an error after the name of the tool, which the errors of its
// package begin with already.
func (t Tool) complain(w io.Writer, err error) {
	text := strings.TrimPrefix(err.Error(), t.Name+": ")
	fmt.Fprintf(w, "%s: %s\n", t.Name, Clean(text))
}

// session is one run of a tool.
type session struct {
	Tool
	flags *Flags
	std   Streams
}

func (s *session) run(ctx context.Context) (int, error) {
	switch f := s.flags; {
	case f.Resume || f.Revert:
		return s.fromJournal(ctx)
	case f.RunFile != "":
		return s.fromFile(ctx)
	}
	return s.fresh(ctx)
}

// fresh checks, plans where the tool can, and runs the plan if it is told to.
func (s *session) fresh(ctx context.Context) (int, error) {
	if err := s.observe(ctx); err != nil {
		return exitOf(stackmend.Result{}, err), err
	}
	result, err := s.Check(ctx)
	if err != nil {
		return exitOf(result, err), err
	}
	if s.Plan != nil {
		if result.Plan, err = s.Plan(ctx); err != nil {
			return exitOf(result, err), err
		}
	}
	if result.Plan != nil && s.flags.PlanFile != "" {
		if err := writePlan(s.flags.PlanFile, result.Plan); err != nil {
			return exitUnknown, err
		}
	}
	if result.Plan == nil || len(result.Plan.Steps) == 0 && len(result.Plan.Refusals) == 0 || s.flags.PlanFile+s.flags.Replay != "" {
		if s.flags.Apply && result.Plan == nil {
			return exitUsage, Usage("there is nothing here that -apply could carry out")
		}
		return checkExit(result.Status), s.print(result)
	}
	run, err := s.carryOut(ctx, result.Plan, nil)
	whole := result.Then(run)
	if !s.flags.Apply && (err == nil || len(run.Outcomes) > 0 || len(result.Plan.Refusals) > 0) { // the dry run belongs to the check
		return checkExit(whole.Status), s.print(whole)
	}
	return exitOf(run, err), errors.Join(s.print(whole), err)
}

// fromFile runs a plan that was written before.
func (s *session) fromFile(ctx context.Context) (int, error) {
	p, err := readPlan(s.flags.RunFile)
	if err != nil {
		return exitOf(stackmend.Result{}, err), err
	}
	run, err := s.carryOut(ctx, p, nil)
	return exitOf(run, err), errors.Join(s.print(run), err)
}

// fromJournal resumes or reverts an interrupted run.
func (s *session) fromJournal(ctx context.Context) (int, error) {
	path, err := s.journalPath()
	if err != nil {
		return exitUsage, err
	}
	j, err := stackmend.OpenJournal(path)
	if err != nil {
		return exitOf(stackmend.Result{}, err), err
	}
	if j.Plan() == nil {
		j.Close()
		return exitDone, Note(s.std.Err, "%s: %s holds no interrupted run: nothing to do\n", s.Name, path)
	}
	run, err := s.carryOut(ctx, j.Plan(), j)
	return exitOf(run, err), errors.Join(s.print(run), err)
}

// carryOut runs a plan, dry unless the flags say otherwise.
func (s *session) carryOut(ctx context.Context, p *stackmend.Plan, j *stackmend.Journal) (r stackmend.Result, err error) {
	a, err := s.Applier(ctx, p)
	if err != nil {
		return stackmend.Result{Plan: p}, err
	}
	o, done, err := s.options(p, j)
	if err != nil {
		return stackmend.Result{Plan: p}, err
	}
	defer func() { err = errors.Join(err, done()) }()
	if o.Mode != stackmend.DryRun && len(p.Refusals) == 0 {
		s.announce(p, o)
	}
	r, err = stackmend.Run(ctx, p, a, o)
	if o.Mode != stackmend.DryRun && o.Journal.Plan() != nil {
		s.unsettled()
	}
	return r, err
}

// unsettled says what to do about a run whose journal is open.
func (s *session) unsettled() {
	which := ""
	if s.flags.JournalFile != "" {
		which = "-journal " + s.flags.JournalFile + " "
	}
	_ = Note(s.std.Err, "%s: the run is not settled: %[2]s-resume -apply goes on with it, %[2]s-revert -apply undoes what can be undone\n", s.Name, which)
}
