package mtu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/stackmend/stackmend"
)

// A Watchdog is a child process that sets a host's links back if the process
// that changes them dies, or hangs beyond its time, before it is done. It does
// not outlive a reboot, nor somebody who kills both; the MTUs do not outlive a
// reboot either.
type Watchdog struct {
	cmd  *exec.Cmd
	line *os.File // its other end is closed when this process ends, however it ends
}

// standDown is what the parent writes when nothing is left to be watched.
const standDown = "done\n"

// StartWatchdog starts cmd, which must call Watch with its standard input. It
// gets a session of its own, so that it outlives the terminal. Start it before
// the run, and call Done after it.
func StartWatchdog(cmd *exec.Cmd) (*Watchdog, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("mtu: watchdog: %w", err)
	}
	defer r.Close()
	cmd.Stdin = r
	ownSession(cmd)
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("mtu: watchdog: %w", err), w.Close())
	}
	return &Watchdog{cmd, w}, nil
}

// Done tells the watchdog that the run has ended, and waits until it has gone.
func (w *Watchdog) Done() error {
	_, err := io.WriteString(w.line, standDown)
	if cerr := w.line.Close(); err == nil {
		err = cerr
	}
	if werr := w.cmd.Wait(); err == nil {
		err = werr
	}
	if err != nil {
		return fmt.Errorf("mtu: watchdog: %w", err)
	}
	return nil
}

// Guarded is what Watch watches over.
type Guarded struct {
	Journal  string    // of the run
	Parent   int       // process ID of the run
	Deadline time.Time // when a run that has not ended hangs
	Applier  *Applier
}

// Watch waits on line, the standard input that StartWatchdog gave, until the
// run says that it is done. If its process dies before, or has not ended at the
// deadline, in which case it is killed, what the journal has open is reverted.
// The returned Result is nil if there was nothing to do.
func Watch(ctx context.Context, line io.Reader, g Guarded) (*stackmend.Result, error) {
	said := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(io.LimitReader(line, 64))
		said <- string(b)
	}()
	wait := time.NewTimer(time.Until(g.Deadline))
	defer wait.Stop()
	select {
	case s := <-said:
		if s == standDown {
			return nil, nil
		}
	case <-wait.C:
		if err := endParent(g.Parent); err != nil {
			return nil, fmt.Errorf("mtu: watchdog: ending the run that hangs, process %d: %w", g.Parent, err)
		}
		<-said // its end of the line closes with it
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return revertJournal(ctx, g)
}

// revertJournal undoes what the dead run has open. Its lock on the journal is
// free a moment after its death.
func revertJournal(ctx context.Context, g Guarded) (*stackmend.Result, error) {
	j, err := openFreed(ctx, g.Journal)
	if err != nil {
		return nil, fmt.Errorf("mtu: watchdog: %w", err)
	}
	defer j.Close()
	if j.Plan() == nil {
		return nil, nil // it had not begun, or was complete
	}
	r, err := stackmend.Run(ctx, j.Plan(), g.Applier, stackmend.Options{Mode: stackmend.Revert, Journal: j})
	return &r, err
}

func openFreed(ctx context.Context, path string) (*stackmend.Journal, error) {
	for deadline := time.Now().Add(10 * time.Second); ; {
		j, err := stackmend.OpenJournal(path)
		if !errors.Is(err, stackmend.ErrLocked) || time.Now().After(deadline) {
			return j, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Args are the arguments by which a program passes g to its watchdog, in the
// order that ParseGuarded reads.
func (g Guarded) Args() []string {
	return []string{g.Journal, strconv.Itoa(g.Parent), g.Deadline.Format(time.RFC3339Nano)}
}

// ParseGuarded is the other way round. The Applier is the program's to make.
func ParseGuarded(args []string) (Guarded, error) {
	if len(args) != 3 {
		return Guarded{}, fmt.Errorf("mtu: watchdog: %d arguments, not 3", len(args))
	}
	pid, err1 := strconv.Atoi(args[1])
	at, err2 := time.Parse(time.RFC3339Nano, args[2])
	if err := errors.Join(err1, err2); err != nil || pid < 2 {
		return Guarded{}, fmt.Errorf("mtu: watchdog: process %q, deadline %q: %w", args[1], args[2], errors.Join(err, stackmend.ErrRefused))
	}
	return Guarded{Journal: args[0], Parent: pid, Deadline: at}, nil
}
