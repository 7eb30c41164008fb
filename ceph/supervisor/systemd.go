package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend/ceph/internal/child"
)

// Systemd supervises OSDs as units of systemd, by systemctl.
type Systemd struct {
	Unit string // with {id}; empty: ceph-osd@{id}.service
	// Container is what the unit runs, if it runs one: it is then stopped by
	// its engine, whose patience a stop of the unit would not raise.
	Container *Container
}

// Cephadm is the supervisor of a cluster that cephadm deployed, with this
// fsid. The orchestrator must be paused (`ceph orch pause`), or it starts again
// what is stopped here. Engine is docker or podman.
func Cephadm(fsid, engine string) Systemd {
	return Systemd{
		Unit:      "ceph-" + fsid + "@osd.{id}.service",
		Container: &Container{Engine: engine, Name: "ceph-" + fsid + "-osd-{id}"},
	}
}

// systemdProperties are what State reads.
const systemdProperties = "LoadState,ActiveState,MainPID,TimeoutStopUSec,Restart,ExecMainCode,ExecMainStatus,StartLimitBurst,StartLimitIntervalUSec,NRestarts,ExecMainStartTimestamp"

func (s Systemd) unit(osd int) string {
	if s.Unit == "" {
		return word("ceph-osd@{id}.service", osd)
	}
	return word(s.Unit, osd)
}

// State is `systemctl show`.
func (s Systemd) State(ctx context.Context, osd int) (State, error) {
	unit := s.unit(osd)
	// Times are told in the zone of whoever asks.
	out, err := child.Output(ctx, "env", "TZ=UTC", "systemctl", "show", "--property="+systemdProperties, "--", unit)
	if err != nil {
		return State{}, err
	}
	st, err := parseShow(unit, out)
	if err != nil || s.Container == nil || !st.Running {
		return st, err
	}
	return s.inside(ctx, osd, st)
}

// inside looks at the container that a unit runs: the unit's main process is
// the engine's, not the daemon's.
func (s Systemd) inside(ctx context.Context, osd int, st State) (State, error) {
	in, err := s.Container.State(ctx, osd)
	if errors.Is(err, os.ErrNotExist) { // the unit is on its way up or down
		st.PID, st.StopTimeout = 0, 0
		return st, nil
	}
	st.PID, st.StopTimeout = in.PID, in.StopTimeout
	return st, err
}

// parseShow reads KEY=VALUE lines.
func parseShow(unit string, out []byte) (State, error) {
	p := map[string]string{}
	for line := range bytes.Lines(out) {
		if k, v, ok := strings.Cut(strings.TrimSpace(string(line)), "="); ok {
			p[k] = v
		}
	}
	st := State{Unit: unit, Held: p["LoadState"] == "masked", Running: p["ActiveState"] != "inactive" && p["ActiveState"] != "failed"}
	switch {
	case p["LoadState"] == "" || p["ActiveState"] == "":
		return State{}, fmt.Errorf("systemctl show %s: no LoadState or ActiveState in %.200q", unit, out)
	case p["LoadState"] != "loaded" && p["LoadState"] != "masked":
		return State{}, fmt.Errorf("systemctl show %s: LoadState is %s: %w", unit, p["LoadState"], os.ErrNotExist)
	}
	var errs [4]error
	st.PID, errs[0] = strconv.Atoi(p["MainPID"])
	if st.StopTimeout, errs[1] = parseSpan(p["TimeoutStopUSec"]); st.StopTimeout == 0 && errs[1] == nil {
		st.StopTimeout = Forever // systemd takes 0 for never
	}
	if p["Restart"] != "no" {
		st.Respawn = p["Restart"]
	}
	if n, err := strconv.Atoi(p["StartLimitBurst"]); err == nil && n > 0 {
		st.StartLimit.Burst = n
		st.StartLimit.Interval, errs[2] = parseSpan(p["StartLimitIntervalUSec"])
	}
	if !st.Running {
		st.Exit, errs[3] = parseExit(p["ExecMainCode"], p["ExecMainStatus"])
	}
	if err := errors.Join(errs[:]...); err != nil {
		return State{}, fmt.Errorf("systemctl show %s: %w", unit, err)
	}
	if st.Starts = starts(p, st.StartLimit, time.Now()); st.Held {
		// What the unit said of itself went with its file (seen with 252): these
		// are the manager's defaults.
		st.Respawn, st.StopTimeout, st.StartLimit = respawnMasked, 0, Limit{}
	}
	return st, nil
}

// respawnMasked: how a unit is respawned cannot be read while it is masked.
const respawnMasked = "masked"

// starts counts those within the limit's interval: the last, and the automatic
// ones before it, all of which may lie within.
func starts(p map[string]string, limit Limit, now time.Time) int {
	last, err := time.Parse("Mon 2006-01-02 15:04:05 MST", p["ExecMainStartTimestamp"])
	switch {
	case p["ExecMainStartTimestamp"] == "" || p["ExecMainStartTimestamp"] == "n/a": // never, or it is forgotten
		return 0
	case err == nil && now.Sub(last) > limit.Interval:
		return 0
	}
	restarts, _ := strconv.Atoi(p["NRestarts"]) // before 235: not told
	return 1 + max(restarts, 0)
}

// parseExit reads the CLD_ code and the status of systemd.
func parseExit(code, status string) (*Exit, error) {
	n, err := strconv.Atoi(status)
	switch {
	case err != nil:
		return nil, err
	case code == "1": // CLD_EXITED
		return &Exit{Code: n}, nil
	case code == "2" || code == "3": // CLD_KILLED, CLD_DUMPED
		return &Exit{Signal: n}, nil
	}
	return nil, nil
}

// parseSpan reads a span as systemctl writes it: "1min 30s", "infinity".
func parseSpan(text string) (time.Duration, error) {
	if text == "infinity" {
		return Forever, nil
	}
	units := map[string]time.Duration{"us": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "min": time.Minute,
		"h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "month": 2629800 * time.Second, "y": 31557600 * time.Second}
	if text == "0" {
		return 0, nil
	}
	var sum time.Duration
	for _, f := range strings.Fields(text) {
		i := strings.LastIndexAny(f, "0123456789.") + 1
		n, err := strconv.ParseFloat(f[:i], 64)
		unit, ok := units[f[i:]]
		if err != nil || !ok || n < 0 || n > 1e6 {
			return 0, fmt.Errorf("%q is not a span of time", text)
		}
		if sum += time.Duration(n * float64(unit)); sum < 0 {
			return Forever, nil
		}
	}
	if sum == 0 && !strings.ContainsAny(text, "0123456789") {
		return 0, fmt.Errorf("%q is not a span of time", text)
	}
	return sum, nil
}

// Do makes a change by `systemctl mask --runtime`, unmask, stop, start. A
// runtime mask does not outlive a reboot: the OSD then comes back by itself.
func (s Systemd) Do(ctx context.Context, c Change) error {
	unit := s.unit(c.OSD)
	st, err := s.State(ctx, c.OSD)
	if err != nil {
		return err
	}
	switch c.Action {
	case Hold:
		if st.AtLimit() {
			return refuse("%s may be started %d times in %v and was %d times, it would stay down: systemctl reset-failed %s", unit, st.StartLimit.Burst, st.StartLimit.Interval, st.Starts, unit)
		}
		return s.change(ctx, c, func(st State) bool { return st.Held }, "mask", "--runtime", "--", unit)
	case Release:
		return s.change(ctx, c, func(st State) bool { return !st.Held }, "unmask", "--runtime", "--", unit)
	case Stop:
		return s.stop(ctx, c, st)
	case Start:
		if st.Held {
			return refuse("%s is masked: release it first", unit)
		}
		return s.change(ctx, c, func(st State) bool { return st.Running && st.PID > 0 }, "start", "--", unit)
	}
	return refuse("%s of %s", c.Action, unit)
}

func (s Systemd) change(ctx context.Context, c Change, ok func(State) bool, arg ...string) error {
	if _, err := child.Output(ctx, "systemctl", arg...); err != nil {
		return err
	}
	return until(ctx, s, c, ok)
}

// stop ends the container first, if there is one, with a patience of ours.
func (s Systemd) stop(ctx context.Context, c Change, st State) error {
	if s.Container != nil && st.Running {
		if err := s.Container.Do(ctx, c); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	} else if st.Held && st.PID > 0 {
		// Its own patience is not in force while it is masked, and without a job
		// the manager has none that ends: it only hands on the signal.
		return s.change(ctx, c, func(st State) bool { return !st.Running }, "kill", "--kill-who=main", "--signal=SIGTERM", "--", st.Unit)
	} else if st.Running {
		raise := fmt.Sprintf("write a drop-in (systemctl edit --runtime %s) with [Service] TimeoutStopSec=%d", st.Unit, int(c.minStop().Seconds()))
		if err := patient(st, c, raise); err != nil {
			return err
		}
	}
	return s.change(ctx, c, func(st State) bool { return !st.Running }, "stop", "--", st.Unit)
}
