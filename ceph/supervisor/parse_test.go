package supervisor

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1min 30s": 90 * time.Second, "infinity": Forever, "10s": 10 * time.Second, "2min": 2 * time.Minute,
		"0": 0, "500ms": 500 * time.Millisecond, "1h 5min 2.5s": time.Hour + 5*time.Minute + 2500*time.Millisecond,
	} {
		if got, err := parseSpan(text); err != nil || got != want {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "soon", "-1s", "5", "5 fortnights", "1e300y"} {
		if got, err := parseSpan(bad); err == nil {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
}

func TestParseShow(t *testing.T) {
	running := "LoadState=loaded\nActiveState=active\nMainPID=41\nTimeoutStopUSec=1min 30s\nRestart=on-failure\nExecMainCode=0\nExecMainStatus=0\nStartLimitBurst=3\nStartLimitIntervalUSec=30min\nNRestarts=1\nExecMainStartTimestamp=n/a\n"
	st, err := parseShow("u", []byte(running))
	want := State{Unit: "u", Running: true, PID: 41, Respawn: "on-failure", StopTimeout: 90 * time.Second, StartLimit: Limit{3, 30 * time.Minute}}
	if err != nil || st != want {
		t.Errorf("%+v %v", st, err)
	}
	for when, n := range map[string]int{"n/a": 0, "": 0, "Fri 2020-11-27 03:50:59 UTC": 0, time.Now().UTC().Format("Mon 2006-01-02 15:04:05 MST"): 2, "yesterday": 2} {
		if st, err = parseShow("u", []byte(strings.Replace(running, "n/a", when, 1))); err != nil || st.Starts != n {
			t.Errorf("started %s: %+v %v", when, st, err)
		}
	}
	// What a real unit says of itself once it is masked (systemd 252).
	st, err = parseShow("u", []byte("Restart=no\nTimeoutStopUSec=1min 30s\nMainPID=24\nNRestarts=0\nExecMainStartTimestamp=Fri 2026-11-27 03:51:49 UTC\nExecMainCode=0\nExecMainStatus=0\nLoadState=masked\nActiveState=active\nStartLimitIntervalUSec=10s\nStartLimitBurst=5\n"))
	if want := (State{Unit: "u", Running: true, PID: 24, Held: true, Respawn: "masked"}); err != nil || st != want {
		t.Errorf("%+v %v", st, err)
	}
	st, err = parseShow("u", []byte("LoadState=loaded\nActiveState=failed\nMainPID=0\nTimeoutStopUSec=0\nRestart=no\nExecMainCode=2\nExecMainStatus=9\n"))
	if err != nil || st.Running || st.StopTimeout != Forever || st.Exit == nil || *st.Exit != (Exit{Signal: 9}) || st.Exit.Clean() {
		t.Errorf("%+v %v", st, err)
	}
	if _, err = parseShow("u", []byte("LoadState=not-found\nActiveState=inactive\n")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a unit that is not there: %v", err)
	}
	if _, err = parseShow("u", nil); err == nil {
		t.Error("no answer, and no error")
	}
}

func FuzzParseShow(f *testing.F) {
	f.Add("LoadState=loaded\nActiveState=active\nMainPID=1\nTimeoutStopUSec=1min\nRestart=no\n")
	f.Fuzz(func(t *testing.T, text string) {
		st, err := parseShow("u", []byte(text))
		if err == nil && !st.Held && st.StopTimeout <= 0 {
			t.Errorf("%q: no patience, and no error", text)
		}
	})
}

func TestMatches(t *testing.T) {
	p := Process{Args: []string{"/c.conf"}}
	for _, yes := range [][]string{
		{"ceph-osd", "-f", "-i", "3", "-c", "/c.conf"}, {"/usr/bin/ceph-osd", "--id", "3", "-c", "/c.conf"},
		{"ceph-osd", "-c", "/c.conf", "-n", "osd.3"}, {"ceph-osd", "-c", "/c.conf", "--id=3"},
	} {
		if !p.matches(yes, 3) {
			t.Errorf("%q was not recognised", yes)
		}
	}
	for _, no := range [][]string{
		{"ceph-osd", "-f", "-i", "33", "-c", "/c.conf"}, {"ceph-osd", "-i", "3"}, {"vi", "ceph-osd", "-i", "3", "/c.conf"},
		{"ceph-osd", "-c", "/c.conf", "3"}, {""},
	} {
		if p.matches(no, 3) {
			t.Errorf("%q was taken for osd.3", no)
		}
	}
}

func TestDetect(t *testing.T) {
	for text, want := range map[string]Kind{
		"0::/system.slice/system-ceph\\x2dosd.slice/ceph-osd@3.service":                                                            KindSystemd,
		"0::/system.slice/ceph-8a1b7f1e-0c57-4e0b-9a35-c3f0c3f00001@osd.3.service/libpod-payload-0123456789abcdef":                 KindCephadm,
		"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12345678_1.slice/cri-containerd-0123456789abcdef.scope": KindRook,
		"0::/system.slice/docker-0123456789abcdef0123456789abcdef.scope":                                                           KindContainer,
		"0::/user.slice/user-0.slice/session-1.scope":                                                                              KindProcess,
		"": KindUnknown,
	} {
		if got := Detect(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
