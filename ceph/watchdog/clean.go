package watchdog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/supervisor"
)

// An Ending is what is known of how a daemon ended. That its process is gone
// proves no clean end.
type Ending struct {
	// Fast is osd_fast_shutdown as the daemon had it in effect: "true": it exits
	// at once, without unmounting its store, whose log is replayed at the next
	// start; "false": it unmounts; empty: it did not say.
	Fast string
	// Exit is what its supervisor says; nil: it does not.
	Exit *supervisor.Exit
	// Crashes are the reports that it left since the stop began. ceph-crash posts
	// them minutes later: none yet proves little.
	Crashes []string
	// Unseen is what could not be asked.
	Unseen []string
}

// Unclean reports whether something speaks against a clean end. Either way of
// shutting down ends with status 0 and without a crash report.
func (e Ending) Unclean() bool { return e.Exit != nil && !e.Exit.Clean() || len(e.Crashes) > 0 }

func (e Ending) String() string {
	said := []string{"osd_fast_shutdown " + e.Fast}
	if e.Fast == "" {
		said[0] = "osd_fast_shutdown not known"
	}
	if e.Exit != nil {
		said = append(said, "exit "+e.Exit.String())
	} else {
		said = append(said, "its supervisor does not say how it ended")
	}
	if len(e.Crashes) > 0 {
		said = append(said, "crash report "+strings.Join(e.Crashes, ", "))
	} else if len(e.Unseen) == 0 {
		said = append(said, "no crash report yet")
	}
	return strings.Join(append(said, e.Unseen...), ", ")
}

// ended looks at how a process that is gone has ended: the supervisor knows it
// until the daemon is started again. One that has not seen the end yet is asked
// for a moment, for the OSD is to come back.
func (a *Applier) ended(ctx context.Context, osd, pid int) {
	a.mu.Lock()
	e := Ending{Fast: a.prepared[osd].daemon.fast}
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	st, err := a.Supervisor.State(ctx, osd)
	for range 10 {
		if err != nil || !st.Running || st.PID > 0 && st.PID != pid {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(a.Again / 5):
		}
		st, err = a.Supervisor.State(ctx, osd)
	}
	if err != nil {
		e.Unseen = append(e.Unseen, "its supervisor cannot be asked: "+err.Error())
	} else if !st.Running {
		e.Exit = st.Exit
	}
	a.mu.Lock()
	a.endings[osd] = e
	a.mu.Unlock()
}

// ending is how an OSD ended last, with the crash reports since a moment.
func (a *Applier) ending(ctx context.Context, osd int, since time.Time) Ending {
	crashes, err := crashes(ctx, a.Cluster, osd, since)
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.endings[osd]
	if e.Crashes = crashes; err != nil {
		e.Unseen = append(e.Unseen, "crash reports cannot be read: "+err.Error())
	}
	return e
}

// crashes lists the reports of an OSD since a moment.
//
// Similar To: ceph crash ls
func crashes(ctx context.Context, to ceph.Commander, osd int, since time.Time) (found []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	b, err := ceph.Ask(ctx, to, ceph.Command{To: ceph.Target{Kind: ceph.KindMgr}, Prefix: "crash ls"})
	if err != nil {
		return nil, err
	}
	return parseCrashes(b, fmt.Sprintf("osd.%d", osd), since)
}

func parseCrashes(b []byte, entity string, since time.Time) (found []string, err error) {
	var all []struct {
		ID        string `json:"crash_id"`
		Entity    string `json:"entity_name"`
		Timestamp string `json:"timestamp"`
	}
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("watchdog: crash ls: %w", err)
	}
	if all == nil {
		return nil, errors.New("watchdog: crash ls is null")
	}
	for _, c := range all {
		if c.Entity != entity {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, strings.Replace(c.Timestamp, " ", "T", 1)) // Nautilus writes a space
		if err != nil {
			return nil, fmt.Errorf("watchdog: crash ls: %w", err)
		}
		if !at.Before(since) {
			found = append(found, c.ID)
		}
	}
	return found, nil
}
