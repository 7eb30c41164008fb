//go:build linux

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/internal/child"
	"github.com/stackmend/stackmend/internal/lab/sshd"
)

// Real sshds, on loopback, of two hosts and one that calls itself otherwise.
func TestSSH(t *testing.T) {
	get := scripted(t, "systemctl", systemctl, map[string]string{"load": "loaded", "active": "active", "timeout": "10min"})
	config := sshd.Up(t, os.Getenv("PATH"), "stor1", "stor2")
	route := SSH{Command: []string{"ssh", "-F", config}}
	there := On(within(t), route, "stor2")
	odd := []string{"it's", "two words", "$HOME `id` \\", "a\nb", "*", "", "!x", "-n"}
	out, err := child.Output(there, "printf", append([]string{"%s|"}, odd...)...)
	if want := strings.Join(odd, "|") + "|"; err != nil || string(out) != want {
		t.Errorf("%q %v, want %q", out, err, want)
	}
	var exit *child.ExitError
	if _, err = child.Output(there, "sh", "-c", "echo said >&2; exit 7"); !errors.As(err, &exit) || exit.Code != 7 || !strings.Contains(exit.Stderr, "said") || errors.Is(err, stackmend.ErrUncertain) {
		t.Errorf("a status: %v", err)
	}
	cycle(t, routed{Systemd{}, route, "stor1"}, "on-failure")
	if calls := get("calls"); !strings.Contains(calls, "mask --runtime -- ceph-osd@3.service") {
		t.Error(calls)
	}
	if _, err = (Process{}).State(there, 3); !errors.Is(err, stackmend.ErrRefused) {
		t.Errorf("processes of this host for those of another: %v", err)
	}
	for _, host := range []string{"-oProxyCommand=x", "", "a b", "x;y"} {
		if _, err = child.Output(On(within(t), route, host), "true"); !errors.Is(err, stackmend.ErrRefused) {
			t.Errorf("host %q: %v", host, err)
		}
	}
	if _, err = child.Output(On(within(t), route, "nowhere.invalid"), "true"); !errors.Is(err, stackmend.ErrUncertain) {
		t.Errorf("a host that is not there: %v", err)
	}
}

// routed does everything on another host.
type routed struct {
	s    Supervisor
	r    Route
	host string
}

func (r routed) State(ctx context.Context, osd int) (State, error) {
	return r.s.State(On(ctx, r.r, r.host), osd)
}
func (r routed) Do(ctx context.Context, c Change) error { return r.s.Do(On(ctx, r.r, r.host), c) }

// A name that leads to a host of another name runs nothing there.
func TestSSHElsewhere(t *testing.T) {
	config := sshd.Up(t, os.Getenv("PATH"), "stor1")
	b, err := os.ReadFile(config)
	if err == nil {
		err = os.WriteFile(config, []byte(strings.Replace(string(b), "Host stor1", "Host stor1 stor7", 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "made")
	_, err = child.Output(On(within(t), SSH{Command: []string{"ssh", "-F", config}}, "stor7"), "touch", file)
	if err == nil || !strings.Contains(err.Error(), "this is stor1, not stor7") {
		t.Error(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("it ran there")
	}
}

// A program on another host does not go on unseen: neither when its context
// ends, nor when the connection is lost.
func TestSSHEnds(t *testing.T) {
	config := sshd.Up(t, os.Getenv("PATH"), "stor1")
	for name, end := range map[string]func(cancel func(), client int){
		"cancelled": func(cancel func(), _ int) { cancel() },
		"killed": func(_ func(), client int) {
			if p, err := os.FindProcess(client); err != nil || p.Kill() != nil {
				t.Errorf("the client: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(within(t))
			defer cancel()
			var far, near int
			_, err := child.Read(On(ctx, SSH{Command: []string{"sh", "-c", `echo $$; exec ssh "$@"`, "sh", "-F", config}}, "stor1"), func(r io.Reader) error {
				if _, err := fmt.Fscan(r, &near, &far); err != nil {
					return err
				}
				end(cancel, near)
				_, err := io.Copy(io.Discard, r)
				return err
			}, "sh", "-c", "echo $$; sleep 600; :")
			if !errors.Is(err, stackmend.ErrUncertain) {
				t.Error(err)
			}
			for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				if child.Ended(far) {
					return
				}
				if time.Now().After(end) {
					t.Fatal("it runs on there: process " + strconv.Itoa(far))
				}
			}
		})
	}
}
