package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/stackmend/stackmend/ceph/internal/child"
)

// Process supervises OSDs that are plain processes: under monit, runit,
// supervisord, a script, or nothing. The commands are argument lists in which
// {id} stands for the number of the OSD.
type Process struct {
	// Start starts the daemon in the background: "ceph-osd", "-i", "{id}", or
	// "monit", "start", "osd{id}". Empty: releasing it starts it.
	Start []string
	// Hold keeps whatever respawns it from doing so ("monit", "unmonitor",
	// "osd{id}"), Release undoes that, Held ends with status 0 while it is so.
	// All empty: nothing respawns it.
	Hold, Release, Held []string
	// Args are words that its command line must have beside its number: the
	// path of its configuration, where a host has OSDs of several clusters.
	Args []string
}

// State looks through /proc, for a pid file does not prove life.
func (p Process) State(ctx context.Context, osd int) (State, error) {
	st := State{Unit: "osd." + strconv.Itoa(osd), StopTimeout: Forever}
	if child.Routed(ctx) {
		return State{}, refuse("%s: plain processes are looked at on this host alone", st.Unit)
	}
	pids, err := p.find(osd)
	switch {
	case err != nil:
		return State{}, err
	case len(pids) > 1:
		return State{}, fmt.Errorf("%s runs more than once: processes %v", st.Unit, pids)
	case len(pids) == 1:
		st.Running, st.PID = true, pids[0]
	}
	switch {
	case len(p.Held) > 0:
		st.Respawn = strings.Join(words(p.Release, osd), " ")
		st.Held, err = says(ctx, words(p.Held, osd))
	case len(p.Hold) == 0:
		st.Held = true
	default:
		return State{}, refuse("%s: how to see whether it is held is not configured", st.Unit)
	}
	return st, err
}

// says reports whether a command ended with status 0, and not with 1.
func says(ctx context.Context, argv []string) (bool, error) {
	_, err := child.Output(ctx, argv[0], argv[1:]...)
	var exit *child.ExitError
	if errors.As(err, &exit) && exit.Code == 1 {
		return false, nil
	}
	return err == nil, err
}

// find returns the processes that are this OSD.
func (p Process) find(osd int) ([]int, error) {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []int
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		is, err := p.is(pid, osd)
		if err != nil {
			return nil, err
		}
		if is {
			found = append(found, pid)
		}
	}
	return found, nil
}

// is reports whether a process is this OSD's daemon. One that has ended and
// was not waited for has no command line.
func (p Process) is(pid, osd int) (bool, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return p.matches(strings.Split(strings.TrimRight(string(b), "\x00"), "\x00"), osd), nil
}

func (p Process) matches(argv []string, osd int) bool {
	if name := argv[0][strings.LastIndexByte(argv[0], '/')+1:]; name != "ceph-osd" {
		return false
	}
	for _, a := range words(p.Args, osd) {
		if !slices.Contains(argv, a) {
			return false
		}
	}
	id := strconv.Itoa(osd)
	for i, a := range argv[1:] {
		switch a {
		case "--id=" + id, "-i" + id, "--name=osd." + id, "-nosd." + id:
			return true
		}
		// argv[i] is the word before a.
		if (argv[i] == "-i" || argv[i] == "--id") && a == id || (argv[i] == "-n" || argv[i] == "--name") && a == "osd."+id {
			return true
		}
	}
	return false
}

// Do makes a change.
func (p Process) Do(ctx context.Context, c Change) error {
	if child.Routed(ctx) {
		return refuse("osd.%d: plain processes are stopped and started on this host alone", c.OSD)
	}
	switch c.Action {
	case Hold:
		return p.command(ctx, c, p.Hold, func(st State) bool { return st.Held })
	case Release:
		if len(p.Hold) == 0 {
			return nil
		}
		return p.command(ctx, c, p.Release, func(st State) bool { return !st.Held })
	case Stop:
		return p.stop(ctx, c)
	case Start:
		st, err := p.State(ctx, c.OSD)
		if err != nil || st.Running {
			return err
		}
		return p.command(child.WithoutLock(ctx), c, p.Start, func(st State) bool { return st.Running })
	}
	return refuse("%s of osd.%d", c.Action, c.OSD)
}

// command runs a command, if there is one, and looks whether it did.
func (p Process) command(ctx context.Context, c Change, argv []string, ok func(State) bool) error {
	if len(argv) > 0 {
		argv = words(argv, c.OSD)
		if _, err := child.Output(ctx, argv[0], argv[1:]...); err != nil {
			return err
		}
	}
	return until(ctx, p, c, ok)
}

// stop sends SIGTERM to the very process that was looked at.
func (p Process) stop(ctx context.Context, c Change) error {
	st, err := p.State(ctx, c.OSD)
	if err != nil || !st.Running {
		return err
	}
	proc, err := os.FindProcess(st.PID) // a pidfd: the number cannot become another's
	if err != nil {
		return err
	}
	defer proc.Release()
	if is, err := p.is(st.PID, c.OSD); err != nil || !is {
		return errors.Join(err, until(ctx, p, c, func(st State) bool { return !st.Running }))
	}
	if err := proc.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return until(ctx, p, c, func(now State) bool { return now.PID != st.PID && child.Ended(st.PID) })
}
