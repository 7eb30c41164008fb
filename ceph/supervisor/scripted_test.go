//go:build linux

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// scripted puts a program into PATH that keeps its state in files and notes how
// it was called. What it prints is written after systemctl(1) and the reference
// of `docker container inspect`: neither was run.
func scripted(t *testing.T, name, script string, state map[string]string) (get func(string) string) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range state {
		write(k, v, 0o600)
	}
	write(name, fmt.Sprintf("#!/bin/sh\ncd %s\necho \"%s $*\" >>calls\n%s\n", dir, name, script), 0o700)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func(name string) string {
		b, _ := os.ReadFile(filepath.Join(dir, name))
		return strings.TrimSpace(string(b))
	}
}

const systemctl = `case $1 in
show) printf 'LoadState=%s\nActiveState=%s\nMainPID=7\nTimeoutStopUSec=%s\nRestart=on-failure\nExecMainCode=1\nExecMainStatus=0\n' $(cat load) $(cat active) "$(cat timeout)";;
mask) echo masked >load;; unmask) echo loaded >load;;
stop | kill) echo inactive >active;; start) echo active >active;;
esac`

const docker = `case $1 in
container) [ -e gone ] && { echo "Error: No such container: x" >&2; exit 1; }
	printf '[{"State":{"Running":%s,"Pid":7,"ExitCode":0},"Config":{},"HostConfig":{"AutoRemove":%s,"RestartPolicy":{"Name":"%s","MaximumRetryCount":0}}}]' $(cat running) $(cat remove) $(cat policy);;
update) echo ${2#--restart=} >policy;;
stop) echo false >running; [ $(cat remove) = true ] && touch gone;;
start) echo true >running;;
esac
exit 0`

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// cycle holds, stops, starts and releases an OSD.
func cycle(t *testing.T, s Supervisor, respawn string) {
	t.Helper()
	for _, c := range []struct {
		Action
		running, held bool
	}{{Hold, true, true}, {Stop, false, true}, {Release, false, false}, {Start, true, false}} {
		if err := s.Do(within(t), Change{OSD: 3, Action: c.Action, Respawn: respawn}); err != nil {
			t.Fatalf("%v: %v", c.Action, err)
		}
		if st, err := s.State(within(t), 3); err != nil || st.Running != c.running || st.Held != c.held {
			t.Fatalf("after %v: %+v %v", c.Action, st, err)
		}
	}
	if err := s.Do(within(t), Change{OSD: 3}); !errors.Is(err, stackmend.ErrRefused) {
		t.Errorf("nothing was done: %v", err)
	}
}

func TestSystemd(t *testing.T) {
	get := scripted(t, "systemctl", systemctl, map[string]string{"load": "loaded", "active": "active", "timeout": "10min"})
	cycle(t, Systemd{}, "on-failure")
	if calls := get("calls"); !strings.Contains(calls, "mask --runtime -- ceph-osd@3.service") {
		t.Error(calls)
	}
}

// A unit that is killed too soon is not stopped, and nothing was asked to.
func TestSystemdImpatient(t *testing.T) {
	get := scripted(t, "systemctl", systemctl, map[string]string{"load": "loaded", "active": "active", "timeout": "1min 30s"})
	err := Systemd{}.Do(within(t), Change{OSD: 3, Action: Stop})
	if !errors.Is(err, stackmend.ErrRefused) || !strings.Contains(err.Error(), "TimeoutStopSec=300") || strings.Contains(get("calls"), "systemctl stop") {
		t.Errorf("%v\n%s", err, get("calls"))
	}
}

func TestContainer(t *testing.T) {
	get := scripted(t, "docker", docker, map[string]string{"running": "true", "remove": "false", "policy": "always"})
	k := Container{Engine: "docker"}
	if st, err := k.State(within(t), 3); err != nil || st.StopTimeout != 10*time.Second || st.Respawn != "always" {
		t.Errorf("%+v %v", st, err)
	}
	cycle(t, k, "always")
	if calls := get("calls"); !strings.Contains(calls, "docker stop -t 300 ceph-osd-3") {
		t.Errorf("the engine's patience was not raised:\n%s", calls)
	}
}

// A container that systemd runs is stopped by its engine, whose kill would
// come after ten seconds, and then as a unit.
func TestSystemdWithContainer(t *testing.T) {
	unit := scripted(t, "systemctl", systemctl, map[string]string{"load": "loaded", "active": "active", "timeout": "15s"})
	engine := scripted(t, "docker", docker, map[string]string{"running": "true", "remove": "true", "policy": "no"})
	s := Cephadm("8a1b7f1e-0c57-4e0b-9a35-c3f0c3f00001", "docker")
	for _, a := range []Action{Hold, Stop, Stop} {
		if err := s.Do(within(t), Change{OSD: 3, Action: a}); err != nil {
			t.Fatal(a, err)
		}
	}
	if !strings.Contains(engine("calls"), "docker stop -t 300 ceph-8a1b7f1e-0c57-4e0b-9a35-c3f0c3f00001-osd-3") || !strings.Contains(unit("calls"), "systemctl stop -- ceph-8a1b7f1e") {
		t.Errorf("%s\n%s", engine("calls"), unit("calls"))
	}
}

func TestRook(t *testing.T) {
	if err := (Rook{}).Do(within(t), Change{OSD: 3, Action: Stop}); !errors.Is(err, stackmend.ErrRefused) {
		t.Error(err)
	}
}
