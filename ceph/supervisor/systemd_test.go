//go:build linux

package supervisor

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab/systemd"
)

// unit is that of Ceph's packages, with a daemon that needs two seconds for a
// clean end and leaves a file then.
func unit(file string) string {
	return `[Unit]
StartLimitInterval=30min
StartLimitBurst=3
[Service]
ExecStart=/bin/sh -c 'trap "sleep 2; touch ` + file + `; exit 0" TERM; while :; do sleep 0.1; done'
Restart=on-failure
RestartSec=100ms
TimeoutStopSec=10min
`
}

func ctl(t *testing.T, arg ...string) string {
	t.Helper()
	out, err := exec.Command("systemctl", arg...).CombinedOutput()
	if err != nil {
		t.Fatalf("systemctl %v: %v: %s", arg, err, out)
	}
	return strings.TrimSpace(string(out))
}

// A real systemd. What a unit says of itself is gone while it is masked: a stop
// of it would be a kill after a second here (after 90 by default).
func TestSystemdReal(t *testing.T) {
	clean := filepath.Join(t.TempDir(), "clean")
	systemd.Up(t, map[string]string{"ceph-osd@.service": unit(clean), "user.conf": "[Manager]\nDefaultTimeoutStopSec=1s\n"})
	ctl(t, "start", "ceph-osd@3.service")
	st, err := Systemd{}.State(within(t), 3)
	if err != nil || !st.Running || st.PID <= 0 || st.Held || st.Respawn != "on-failure" || st.StopTimeout != 10*time.Minute || st.StartLimit != (Limit{3, 30 * time.Minute}) || st.Starts != 1 {
		t.Errorf("%+v %v", st, err)
	}
	do := func(a Action) {
		t.Helper()
		if err := (Systemd{}).Do(within(t), Change{OSD: 3, Action: a}); err != nil {
			t.Fatalf("%v: %v", a, err)
		}
	}
	do(Hold)
	if st, err = (Systemd{}).State(within(t), 3); err != nil || !st.Running || !st.Held || st.Respawn == "" || st.StopTimeout != 0 || st.StartLimit != (Limit{}) {
		t.Errorf("masked: %+v %v", st, err)
	}
	do(Stop)
	if _, err := os.Stat(clean); err != nil {
		t.Errorf("it was killed: %v", err)
	}
	if st, err = (Systemd{}).State(within(t), 3); err != nil || st.Running || !st.Held {
		t.Errorf("stopped: %+v %v", st, err)
	}
	if err := (Systemd{}).Do(within(t), Change{OSD: 3, Action: Start}); !errors.Is(err, stackmend.ErrRefused) {
		t.Errorf("a masked unit was started: %v", err)
	}
	do(Release)
	do(Start)
	if st, err = (Systemd{}).State(within(t), 3); err != nil || !st.Running || st.Held || st.Respawn != "on-failure" {
		t.Errorf("started: %+v %v", st, err)
	}
	if _, err := (Systemd{Unit: "nothing@{id}.service"}).State(within(t), 3); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a unit that is not there: %v", err)
	}
}

// A unit that was started so often that systemd would not start it again is not
// held, and so not stopped, before somebody has reset that.
func TestSystemdStartLimit(t *testing.T) {
	systemd.Up(t, map[string]string{"ceph-osd@.service": unit("/dev/null")})
	ctl(t, "start", "ceph-osd@3.service")
	for n := 2; n <= 3; n++ {
		ctl(t, "kill", "--signal=KILL", "ceph-osd@3.service")
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if st, err := (Systemd{}).State(within(t), 3); err == nil && st.Running && st.Starts == n {
				break
			} else if time.Now().After(end) {
				t.Fatalf("%+v %v, want %d starts", st, err, n)
			}
		}
	}
	hold := Change{OSD: 3, Action: Hold}
	if err := (Systemd{}).Do(within(t), hold); !errors.Is(err, stackmend.ErrRefused) || !strings.Contains(err.Error(), "systemctl reset-failed ceph-osd@3.service") {
		t.Error(err)
	}
	ctl(t, "reset-failed", "ceph-osd@3.service")
	if err := (Systemd{}).Do(within(t), hold); err != nil {
		t.Error(err)
	}
}
