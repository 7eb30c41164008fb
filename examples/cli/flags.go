package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// Flags are the common ones.
type Flags struct {
	JSON, Nagios, Apply, Resume, Revert    bool
	PlanFile, RunFile, PlanID, JournalFile string
	KillSwitch, Events, HTML               string
	Record, Replay                         string
	Parallel, MaxSteps                     int
	MaxWait, Timeout                       time.Duration
}

func (t Tool) parse(args []string, out io.Writer) (*Flags, error) {
	f := &Flags{Parallel: 1}
	fs := flag.NewFlagSet(t.Name, flag.ContinueOnError)
	fs.SetOutput(out)
	fs.Usage = func() {
		fmt.Fprintf(out, "%s: %s\n\nusage: %s [flags]\n\nChanges nothing without -apply.\n\n", t.Name, t.Brief, t.Name)
		fs.PrintDefaults()
		fmt.Fprint(out, "\nExit status of a check: 0 ok, 1 warn, 2 fail, 3 unknown.\nOf a run: 0 done, 4 refused, 5 stopped on the way, 6 an outcome is unknown. 64: wrong usage.\n")
	}
	f.register(fs, t.Applier != nil)
	if t.Seen != nil {
		fs.StringVar(&f.Record, "record", "", "keep what is observed in `FILE`, without secrets, for -replay elsewhere")
		fs.StringVar(&f.Replay, "replay", "", "judge what -record or capture has kept in `FILE`; nothing here is looked at, and no plan is run, not even dry")
	}
	if t.Flags != nil {
		t.Flags(fs)
	}
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, Usage("unexpected argument %q", fs.Arg(0))
	}
	return f, f.valid()
}

func (f *Flags) register(fs *flag.FlagSet, runs bool) {
	fs.BoolVar(&f.JSON, "json", false, "print the result as JSON")
	fs.BoolVar(&f.Nagios, "nagios", false, "print one line for Nagios")
	fs.StringVar(&f.HTML, "html", "", "also write the result as a page for a browser to `FILE`")
	fs.DurationVar(&f.Timeout, "timeout", 0, "stop at the next safe point after `this long` (0: never)")
	if !runs {
		return
	}
	fs.BoolVar(&f.Apply, "apply", false, "carry the plan out; without it nothing is changed")
	fs.StringVar(&f.PlanFile, "plan", "", "write the plan to `FILE` and stop")
	fs.StringVar(&f.RunFile, "run", "", "run the plan in `FILE`; a dry run without -apply")
	fs.StringVar(&f.PlanID, "plan-id", "", "run only the plan with this `ID`")
	fs.StringVar(&f.JournalFile, "journal", "", "keep the journal in `FILE` (default: a place of its own when applying)")
	fs.BoolVar(&f.Resume, "resume", false, "go on with the run that the journal holds")
	fs.BoolVar(&f.Revert, "revert", false, "undo what the run in the journal left open, with -apply")
	fs.StringVar(&f.KillSwitch, "kill-switch", "", "refuse every step while `FILE` exists")
	fs.IntVar(&f.Parallel, "parallel", 1, "groups and lone steps side by side, at most `N`")
	fs.IntVar(&f.MaxSteps, "max-steps", 0, "refuse after `N` steps (0: no limit of its own)")
	fs.DurationVar(&f.MaxWait, "max-wait", 0, "how long guards may make a step wait")
	fs.StringVar(&f.Events, "events", "", "append what happens to `FILE` as JSON lines")
}

// valid refuses flags that contradict each other.
func (f *Flags) valid() error {
	switch {
	case f.JSON && f.Nagios:
		return Usage("-json and -nagios exclude each other")
	case f.Resume && f.Revert:
		return Usage("-resume and -revert exclude each other")
	case (f.Resume || f.Revert) && (f.RunFile != "" || f.PlanFile != ""):
		return Usage("-resume and -revert take their plan from the journal, not from -run or -plan")
	case f.RunFile != "" && f.PlanFile != "":
		return Usage("-plan writes a plan, -run runs one: give one of them")
	case f.PlanFile != "" && f.Apply:
		return Usage("-plan writes a plan for review; run it with -run FILE -apply")
	case f.Revert && !f.Apply:
		return Usage("-revert changes things: it needs -apply")
	case f.Replay != "" && (f.Record != "" || f.Apply || f.Resume || f.Revert || f.RunFile+f.PlanFile != ""):
		return Usage("-replay judges a recording: it is not with -record, -plan, -run, -resume, -revert or -apply")
	case f.Parallel < 1 || f.MaxSteps < 0 || f.MaxWait < 0 || f.Timeout < 0:
		return Usage("numbers and durations must not be negative")
	}
	return nil
}

// options turns the flags into the options of a run. The function it returns
// closes what was opened.
func (s *session) options(p *stackmend.Plan, j *stackmend.Journal) (stackmend.Options, func() error, error) {
	f := s.flags
	o := stackmend.Options{PlanID: f.PlanID, Parallel: f.Parallel, MaxWait: f.MaxWait, Journal: j}
	if f.MaxSteps > 0 {
		o.Guards = append(o.Guards, stackmend.MaxSteps(f.MaxSteps))
	}
	if f.KillSwitch != "" {
		o.Guards = append(o.Guards, stackmend.KillSwitch(f.KillSwitch))
	}
	var close closers
	onEvent, err := s.onEvent(p, &close)
	if err != nil {
		return o, nil, err
	}
	o.OnEvent = onEvent
	if f.Apply {
		o.Mode = stackmend.Apply
	}
	if f.Revert {
		o.Mode = stackmend.Revert
	}
	if err := s.keep(&o, &close); err != nil {
		return o, nil, errors.Join(err, close.all())
	}
	if s.Options != nil {
		s.Options(&o)
	}
	return o, close.all, nil
}

// keep opens the journal and names the lock of a run that changes something.
func (s *session) keep(o *stackmend.Options, close *closers) error {
	if o.Mode == stackmend.DryRun {
		if o.Journal != nil {
			close.add(o.Journal.Close)
		}
		return nil
	}
	path, err := s.journalPath()
	if err != nil {
		return err
	}
	if o.Journal == nil {
		if o.Journal, err = stackmend.OpenJournal(path); err != nil {
			return err
		}
	}
	close.add(o.Journal.Close)
	o.Lock = stackmend.FileLock(strings.TrimSuffix(path, ".journal") + ".lock")
	return nil
}

// journalPath is -journal, or a file named for the tool in /var/lib/stackmend
// for root and in the user's state directory for others.
func (s *session) journalPath() (string, error) {
	if s.flags.JournalFile != "" {
		return s.flags.JournalFile, nil
	}
	dir, err := StateDir(s.std.Getenv)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("no place for the journal, give -journal FILE: %w", err)
	}
	return filepath.Join(dir, s.Name+".journal"), nil
}

// StateDir is where the journals of the tools are, each named for its tool.
func StateDir(getenv func(string) string) (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/stackmend", nil
	}
	home := getenv("XDG_STATE_HOME")
	if home == "" && getenv("HOME") == "" {
		return "", errors.New("neither XDG_STATE_HOME nor HOME is set: give -journal FILE")
	}
	if home == "" {
		home = filepath.Join(getenv("HOME"), ".local", "state")
	}
	return filepath.Join(home, "stackmend"), nil
}

type closers struct{ list []func() error }

func (c *closers) add(f func() error) { c.list = append(c.list, f) }

func (c *closers) all() (err error) {
	for _, f := range c.list {
		err = errors.Join(err, f())
	}
	return err
}
