package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend/ceph/internal/child"
)

// Container supervises OSDs as containers of docker or podman.
type Container struct {
	Engine string // docker or podman, looked for in PATH
	Name   string // with {id}; empty: ceph-osd-{id}
}

func (k Container) name(osd int) string {
	if k.Name == "" {
		return word("ceph-osd-{id}", osd)
	}
	return word(k.Name, osd)
}

// containerJSON is what is read of `docker container inspect`.
type containerJSON struct {
	State *struct {
		Status, Error            string
		Running, OOMKilled, Dead bool
		Pid, ExitCode            int
	}
	Config     struct{ StopTimeout *int }
	HostConfig struct {
		AutoRemove    bool
		RestartPolicy struct {
			Name              string
			MaximumRetryCount int
		}
	}
}

// engineStop is what docker and podman wait for before they kill.
const engineStop = 10 * time.Second

// State is `docker container inspect`.
func (k Container) State(ctx context.Context, osd int) (State, error) {
	st, _, err := k.inspect(ctx, osd)
	return st, err
}

func (k Container) inspect(ctx context.Context, osd int) (State, containerJSON, error) {
	name := k.name(osd)
	out, err := child.Output(ctx, k.Engine, "container", "inspect", name)
	var exit *child.ExitError
	if errors.As(err, &exit) && strings.Contains(strings.ToLower(exit.Stderr), "no such container") {
		err = fmt.Errorf("%w: %w", os.ErrNotExist, err)
	}
	if err != nil {
		return State{}, containerJSON{}, err
	}
	var all []containerJSON
	if err := json.Unmarshal(out, &all); err != nil || len(all) != 1 || all[0].State == nil {
		return State{}, containerJSON{}, fmt.Errorf("%s container inspect %s: unexpected form of the answer: %.200q", k.Engine, name, out)
	}
	j := all[0]
	st := State{Unit: name, Running: j.State.Running, StopTimeout: engineStop}
	if j.Config.StopTimeout != nil {
		st.StopTimeout = time.Duration(*j.Config.StopTimeout) * time.Second
	}
	if p := j.HostConfig.RestartPolicy.Name; p != "" && p != "no" {
		st.Respawn = p
		if n := j.HostConfig.RestartPolicy.MaximumRetryCount; n > 0 {
			st.Respawn += ":" + strconv.Itoa(n)
		}
	}
	if st.Held = st.Respawn == ""; st.Running {
		st.PID = j.State.Pid
	} else {
		st.Exit = exitOf(j.State.ExitCode)
	}
	return st, j, nil
}

// exitOf reads a status as a shell gives it: 128 and more are signals.
func exitOf(status int) *Exit {
	if status > 128 && status < 128+65 {
		return &Exit{Signal: status - 128}
	}
	return &Exit{Code: status}
}

// Do makes a change by `docker update --restart`, `stop -t` and `start`.
func (k Container) Do(ctx context.Context, c Change) error {
	st, j, err := k.inspect(ctx, c.OSD)
	if err != nil {
		return err
	}
	switch c.Action {
	case Hold:
		return k.hold(ctx, c, st, "no", func(st State) bool { return st.Held })
	case Release:
		if c.Respawn == "" {
			return nil // nothing started it before either
		}
		return k.hold(ctx, c, st, c.Respawn, func(st State) bool { return st.Respawn == c.Respawn })
	case Stop:
		return k.stop(ctx, c, st)
	case Start:
		if !st.Running && j.HostConfig.AutoRemove {
			return refuse("%s is removed when it stops: start what made it", st.Unit)
		}
		ctx := child.WithoutLock(ctx) // podman's monitor would keep it
		return k.change(ctx, c, func(st State) bool { return st.Running && st.PID > 0 }, "start", st.Unit)
	}
	return refuse("%s of %s", c.Action, st.Unit)
}

// hold sets the restart policy, unless it is that already.
func (k Container) hold(ctx context.Context, c Change, st State, policy string, ok func(State) bool) error {
	if ok(st) {
		return nil
	}
	return k.change(ctx, c, ok, "update", "--restart="+policy, st.Unit)
}

// stop raises the engine's patience by -t. A container that is removed when it
// stops is gone then: only what made it (a unit of systemd) can start it again.
func (k Container) stop(ctx context.Context, c Change, st State) error {
	if !st.Running {
		return nil
	}
	patience := strconv.Itoa(int(c.minStop().Seconds()))
	if _, err := child.Output(ctx, k.Engine, "stop", "-t", patience, st.Unit); err != nil {
		return err
	}
	err := until(ctx, k, c, func(st State) bool { return !st.Running })
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (k Container) change(ctx context.Context, c Change, ok func(State) bool, arg ...string) error {
	if _, err := child.Output(ctx, k.Engine, arg...); err != nil {
		return err
	}
	return until(ctx, k, c, ok)
}
