package watchdog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/supervisor"
	"github.com/stackmend/stackmend/internal/appliertest"
)

// scripted is a cluster that answers from a folder: its key-value store is
// files, so that it outlives the process; the rest is as a healthy cluster of
// 16.2.15 answers.
type scripted string

func (dir scripted) Command(_ context.Context, c ceph.Command) (io.ReadCloser, error) {
	arg := map[string]string{}
	for _, a := range c.Args {
		arg[a.Name], _ = a.Value.(string)
	}
	keys := filepath.Join(string(dir), "keys")
	file := filepath.Join(keys, strings.ReplaceAll(arg["key"], "/", "_"))
	switch c.Prefix {
	case "config-key set":
		return ceph.Answer(nil, os.WriteFile(file, []byte(arg["val"]), 0o600)), nil
	case "config-key dump":
		entries, err := os.ReadDir(keys)
		out := []string{}
		for _, e := range entries {
			b, _ := os.ReadFile(filepath.Join(keys, e.Name()))
			out = append(out, fmt.Sprintf("%q:%q", strings.ReplaceAll(e.Name(), "_", "/"), b))
		}
		return ceph.Answer([]byte("{"+strings.Join(out, ",")+"}"), err), nil
	}
	b, err := os.ReadFile(filepath.Join(string(dir), strings.ReplaceAll(c.Prefix, " ", "_")+".json"))
	if err != nil {
		return nil, ceph.Failed(c, 22, err.Error())
	}
	return ceph.Answer(b, nil), nil
}

const (
	healthyMap = `{"epoch":40,"fsid":"f","flags":"sortbitwise","pools":[{"pool":1,"type":1,"size":3,"min_size":2,"erasure_code_profile":""}],
"erasure_code_profiles":{},"osds":[{"osd":7,"up":1,"in":1,"up_from":10},{"osd":8,"up":1,"in":1,"up_from":11},{"osd":9,"up":1,"in":1,"up_from":12}]}`
	healthyPGs = `{"pg_ready":true,"pg_stats":[{"pgid":"1.0","state":"active+clean","acting":[7,8,9],"reported_epoch":"40"}]}`
	okStop     = `{"ok_to_stop":{"ok_to_stop":true,"osds":[7],"num_ok_pgs":1,"num_not_ok_pgs":0,"ok_become_degraded":["1.0"]}}`
)

// process supervises the fake OSD of a folder.
func (dir scripted) process() supervisor.Process {
	hold := filepath.Join(string(dir), "hold")
	return supervisor.Process{Start: []string{"bash", filepath.Join(string(dir), "start.sh")}, Args: []string{filepath.Join(string(dir), "conf")},
		Hold: []string{"touch", hold}, Release: []string{"rm", "-f", hold}, Held: []string{"test", "-e", hold}}
}

// make fills a folder and starts the OSD.
func (dir scripted) make(t testing.TB) {
	t.Helper()
	put := func(name, text string) { write(t, filepath.Join(string(dir), name), text) }
	if err := os.Mkdir(filepath.Join(string(dir), "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	put("osd_dump.json", healthyMap)
	put("pg_ls-by-osd.json", healthyPGs)
	put("osd_ok-to-stop.json", okStop)
	put("osd_find.json", `{"osd":7,"crush_location":{"host":"h1","root":"default"}}`)
	put("config_get.json", `{"osd_fast_shutdown":"true","osd_max_markdown_count":"5","osd_max_markdown_period":"600"}`)
	put("crash_ls.json", "[]")
	put("mgr_dump.json", `{"available":true,"active_name":"x"}`)
	put("status.json", `{"state":"active","pgmap":{"pgs_by_state":[{"state_name":"active+clean","count":1}]}}`)
	put("start.sh", fmt.Sprintf(`echo start >>%[1]s/starts
%[3]s=1 setsid bash -c 'exec -a ceph-osd %[2]s -f -i 7 -c %[1]s/conf' </dev/null >/dev/null 2>&1 &
`, string(dir), os.Args[0], fakeOSD))
	t.Cleanup(func() {
		if st, err := dir.state(); err == nil && st.Running {
			_ = syscall.Kill(st.PID, syscall.SIGKILL)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := dir.process().Do(ctx, supervisor.Change{OSD: 7, Action: supervisor.Start}); err != nil {
		t.Fatal(err)
	}
}

func (dir scripted) applier(t testing.TB) *Applier {
	t.Helper()
	claims, err := NewClaims(dir, "here", ClaimOptions{Prefix: "p/"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewApplier(Site{Cluster: dir, Supervisor: dir.process(), Claims: claims, Again: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (dir scripted) state() (supervisor.State, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return dir.process().State(ctx, 7)
}

func (dir scripted) pid(t testing.TB) int {
	t.Helper()
	st, err := dir.state()
	if err != nil || !st.Running {
		t.Fatal(err, st)
	}
	return st.PID
}

// look: how often the OSD was started, whether it runs, and the claims.
func (dir scripted) look() (string, error) {
	starts, err := os.ReadFile(filepath.Join(string(dir), "starts"))
	if err != nil {
		return "", err
	}
	st, err := dir.state()
	if err != nil {
		return "", err
	}
	b, _ := os.ReadFile(filepath.Join(string(dir), "keys", "p_here")) // none: no claim yet
	return fmt.Sprintf("starts %d, runs %t, held %t, entering %t", strings.Count(string(starts), "\n"), st.Running, st.Held,
		strings.Contains(string(b), "entering")), nil
}

func (dir scripted) plan(t testing.TB) *stackmend.Plan {
	o := Outlook{OSDSample: OSDSample{ID: 7, PID: dir.pid(t), Anon: 900 << 20}, Slope: 1e7, Left: 8 * time.Second}
	p := RestartPlan(o, Verdict{Level: Due, Stop: 3 * time.Second}, time.Now())
	p.Expires = p.Created.Add(time.Hour)
	return p
}

func TestApplier(t *testing.T) {
	appliertest.Run(t, appliertest.Suite{
		New: func(t testing.TB, dir string) appliertest.World {
			d := scripted(dir)
			d.make(t)
			return appliertest.World{Applier: d.applier(t), Plan: d.plan(t), Look: d.look, Spoil: func() error {
				return os.WriteFile(filepath.Join(dir, "hold"), nil, 0o600)
			}}
		},
		Open: func(t testing.TB, dir string) appliertest.World {
			d := scripted(dir)
			return appliertest.World{Applier: d.applier(t), Look: d.look}
		},
	})
}

// TestGuards: what keeps an OSD from being stopped, and that nothing is then.
func TestGuards(t *testing.T) {
	dir := scripted(t.TempDir())
	dir.make(t)
	pid := dir.pid(t)
	near := func(level Level) func(int) (Outlook, Verdict, bool) {
		return func(int) (Outlook, Verdict, bool) {
			return Outlook{OSDSample: OSDSample{ID: 7, PID: pid}, Left: time.Second}, Verdict{Level: level}, true
		}
	}
	for name, c := range map[string]struct {
		file, text string
		ahead      func(int) (Outlook, Verdict, bool)
		word       string
	}{
		"flag":         {"osd_dump.json", strings.Replace(healthyMap, "sortbitwise", "sortbitwise,nodown", 1), near(Critical), "nodown"},
		"its own flag": {"osd_dump.json", strings.Replace(healthyMap, `{"osd":7,`, `{"osd":7,"state":["exists","up","noup"],`, 1), near(Critical), "noup@osd.7"},
		"flag of host": {"osd_dump.json", strings.Replace(healthyMap, `"osds":`, `"crush_node_flags":{"h2":["noup"],"h1":["noout","noup"]},"osds":`, 1), near(Critical), "noup@h1"},
		"of a class":   {"osd_dump.json", strings.Replace(healthyMap, `"osds":`, `"device_class_flags":{"hdd":["nodown"]},"osds":`, 1), near(Critical), "nodown@hdd"},
		"not its host": {"osd_dump.json", strings.Replace(healthyMap, `"osds":`, `"crush_node_flags":{"h2":["noup"],"h1":["noout"]},"osds":`, 1), nil, ""},
		"no such OSD":  {"osd_dump.json", strings.ReplaceAll(healthyMap, `"osd":7`, `"osd":70`), nil, "another"},
		"not ok":       {"osd_ok-to-stop.json", strings.NewReplacer("true", "false", `"num_not_ok_pgs":0`, `"num_not_ok_pgs":9`).Replace(okStop), nil, "9 placement groups"},
		"kill near":    {"osd_ok-to-stop.json", strings.NewReplacer("true", "false", `"num_not_ok_pgs":0`, `"num_not_ok_pgs":9`).Replace(okStop), near(Critical), "may corrupt its store"},
		"other OSD":    {"osd_ok-to-stop.json", strings.Replace(okStop, "[7]", "[8]", 1), nil, "not about osd.7"},
		"no answer":    {"osd_ok-to-stop.json", "", nil, "not understood"},
		"degraded":     {"pg_ls-by-osd.json", strings.Replace(healthyPGs, "clean", "undersized+degraded", 1), nil, "degraded already"},
		"inactive":     {"pg_ls-by-osd.json", strings.Replace(healthyPGs, "active+clean", "peering", 1), nil, "1.0 is peering"},
		"two copies":   {"pg_ls-by-osd.json", strings.Replace(healthyPGs, "[7,8,9]", "[7,8,2147483647]", 1), nil, "left with 1 of 3"},
		"min_size 1":   {"osd_dump.json", strings.Replace(healthyMap, `"min_size":2`, `"min_size":1`, 1), nil, ""},
		"storm":        {"osd_dump.json", strings.NewReplacer(`"osd":8,"up":1`, `"osd":8,"up":0`, `"osd":9,"up":1`, `"osd":9,"up":0`, `"up_from":12}`, `"up_from":12},{"osd":10,"up":0,"in":1}`).Replace(healthyMap), nil, "storm"},
		"calm again":   {"pg_ls-by-osd.json", strings.Replace(healthyPGs, "clean", "degraded", 1), near(Quiet), "does not grow"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(string(dir), c.file)
			was, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, c.text)
			defer write(t, path, string(was))
			a := dir.applier(t)
			a.Ahead = c.ahead
			plan := dir.plan(t)
			if c.word == "" {
				if v, err := a.cluster(t.Context(), stackmend.Request{Step: plan.Steps[1]}); err != nil || v.Decision != stackmend.Permit {
					t.Errorf("%+v %v", v, err)
				}
				return
			}
			r, err := stackmend.Run(t.Context(), plan, a, stackmend.Options{Mode: stackmend.Apply})
			if !errors.Is(err, stackmend.ErrRefused) || !strings.Contains(fmt.Sprint(err, appliertest.Describe(r)), c.word) {
				t.Errorf("%v\n%s", err, appliertest.Describe(r))
			}
			if now := dir.pid(t); now != pid {
				t.Errorf("process %d is %d now", pid, now)
			}
		})
	}
}

// TestLastResort: told to, the policy stops what the cluster cannot afford.
func TestLastResort(t *testing.T) {
	v := Policy{LastResort: Stop}.lastResort(Outlook{Left: time.Second}, "9 placement groups")
	if v.Decision != stackmend.Permit || !strings.Contains(v.Reason, "9 placement groups") {
		t.Errorf("%+v", v)
	}
}

// TestStartLimit: a supervisor that would not start it again.
func TestStartLimit(t *testing.T) {
	dir := scripted(t.TempDir())
	a := dir.applier(t)
	a.prepared[7] = prepared{state: supervisor.State{Unit: "ceph-osd@7.service", StartLimit: supervisor.Limit{Burst: 3, Interval: 30 * time.Minute}}, at: time.Now()}
	step := stackmend.Step{Verb: verbStop, Target: "osd.7", Args: map[string]string{"pid": "77"}}
	for n, want := range []stackmend.Decision{stackmend.Permit, stackmend.Permit, stackmend.Deny} {
		a.Restarts = func() History {
			h := History{{OSD: 8, At: time.Now()}, {OSD: 7, At: time.Now().Add(-time.Hour)}}
			for range n {
				h = append(h, Restart{OSD: 7, At: time.Now().Add(-time.Minute)})
			}
			return h
		}
		if v, err := a.beforeStop(a.startLimit)(t.Context(), stackmend.Request{Step: step}); err != nil || v.Decision != want {
			t.Errorf("after %d restarts: %+v %v", n, v, err)
		}
	}
}
