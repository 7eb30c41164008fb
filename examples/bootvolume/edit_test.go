package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	lab "github.com/stackmend/stackmend/internal/lab/haproxy"
)

// editing is a HAProxy that runs, and the words that have it edited.
type editing struct {
	*lab.Proxy
	args []string
}

const sections = `defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
listen cinder_api
    bind unix@%s
    balance source # sticky
    server a 127.0.0.1:1
    server b 127.0.0.1:2
`

// begin starts HAProxy, whose supervisor fails as often as the file "fail" says.
func begin(t *testing.T) editing {
	t.Helper()
	dir, err := os.MkdirTemp("", "bv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := lab.Start(t, dir, fmt.Sprintf(sections, filepath.Join(dir, "f.sock")))
	script := fmt.Sprintf("[ ! -e %s ] || { rm %[1]s; exit 3; }\nkill -USR2 %d\n", filepath.Join(dir, "fail"), p.Master(t))
	write(t, filepath.Join(dir, "reload"), script)
	if err := os.Chmod(p.Config, 0o640); err != nil {
		t.Fatal(err)
	}
	return editing{p, []string{"-haproxy-cfg", p.Config, "-haproxy-socket", p.Socket, "-reload", "sh " + filepath.Join(dir, "reload"), "-journal", filepath.Join(dir, "journal")}}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (e editing) set(t *testing.T, setting string, more ...string) (status int, out string) {
	t.Helper()
	e.Master(t)
	return run(t, append(append(e.args, "-set", e.Config+":listen cinder_api:"+setting), more...)...)
}

// state is the file, its mode, what HAProxy has in effect, and its worker.
func (e editing) state(t *testing.T) (file, worker string, roundrobin bool) {
	t.Helper()
	e.Master(t)
	text, err := os.ReadFile(e.Config)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(e.Config)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := e.Ask("show stat")
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().String() + "\n" + string(text), e.Current(), strings.Contains(stat, ",roundrobin,")
}

// The edit of a HAProxy that runs: nothing without -apply, taken up with it,
// and undone where the checker or the supervisor refuses it.
func TestEditOfHAProxy(t *testing.T) {
	e := begin(t)
	file, worker, _ := e.state(t)
	unchanged := func(what string, status, want int, out string, same bool) {
		t.Helper()
		now, w, _ := e.state(t)
		if status != want || now != file || same != (w == worker) {
			t.Fatalf("%s: status %d, worker %s, was %s\n%s\n%s", what, status, w, worker, out, now)
		}
		worker = w
	}
	status, out := e.set(t, "balance=roundrobin")
	unchanged("a dry run", status, 1, out, true)
	if !strings.Contains(out, "balance roundrobin") || !strings.Contains(out, "would") {
		t.Errorf("a dry run tells nothing:\n%s", out)
	}
	status, out = e.set(t, "balance=sauce", "-apply")
	unchanged("refused by the checker", status, 5, out, true)
	write(t, filepath.Join(e.Dir, "fail"), "")
	status, out = e.set(t, "balance=roundrobin", "-apply")
	unchanged("a supervisor that fails once", status, 5, out, false)

	plan := filepath.Join(e.Dir, "plan")
	status, out = e.set(t, "balance=roundrobin", "-plan", plan)
	unchanged("a plan", status, 1, out, true)
	if status, out = run(t, append(e.args, "-run", plan, "-apply")...); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	now, w, roundrobin := e.state(t)
	if want := strings.Replace(file, "balance source # sticky", "balance roundrobin", 1); now != want || w == worker || !roundrobin {
		t.Errorf("worker %s, was %s, roundrobin %v\n%s", w, worker, roundrobin, now)
	}
	// What the checker accepts with a warning is told, before and after.
	for _, more := range [][]string{nil, {"-json"}, {"-apply"}} {
		status, out = e.set(t, "option=tcplog", more...)
		if !strings.Contains(out, "log format ignored for proxy 'cinder_api'") || strings.Contains(out, "checker-warning") != (len(more) > 0 && more[0] == "-apply") {
			t.Errorf("%v: a warning is hidden: status %d\n%s", more, status, out)
		}
	}
	if status, out = e.set(t, "balance=sauce"); !strings.Contains(out, "it refuses a copy of them") {
		t.Errorf("status %d\n%s", status, out)
	}
	// What is written past the tool and not taken up is told.
	write(t, e.Config, strings.Replace(now[strings.Index(now, "\n")+1:], "balance roundrobin", "balance leastconn", 1))
	master := []string{"-haproxy-cfg", e.Config, "-haproxy-socket", "h=" + e.Socket, "-haproxy-master", "h=" + filepath.Join(e.Dir, "m.sock")}
	if status, out = run(t, master...); status != 1 || !strings.Contains(out, "balance is roundrobin, and leastconn in the file") {
		t.Errorf("not taken up: status %d\n%s", status, out)
	}
	write(t, e.Config, now[strings.Index(now, "\n")+1:])
	if status, out = run(t, "-haproxy-cfg", e.Config, "-haproxy-master", "h=/nowhere"); status != 64 {
		t.Errorf("a master of nothing: status %d\n%s", status, out)
	}
	if status, out = e.set(t, "balance=roundrobin"); status != 1 || !strings.Contains(out, "it is so already") {
		t.Errorf("once more: status %d\n%s", status, out)
	}
}

// What a tool writes anew gets the difference alone; a HAProxy that is not
// healthy is not edited, and nothing is without its supervisor.
func TestEditIsRefused(t *testing.T) {
	e := begin(t)
	for what, args := range map[string][]string{
		"no supervisor": {"-haproxy-cfg", e.Config, "-haproxy-socket", e.Socket, "-set", e.Config + ":defaults:timeout server=2s"},
		"no socket":     {"-haproxy-cfg", e.Config, "-reload", "true", "-set", e.Config + ":defaults:timeout server=2s"},
		"no such file":  append(e.args, "-set", "/none:defaults:timeout server=2s"),
		"no value":      append(e.args, "-set", e.Config+":defaults:timeout server"),
		"no section":    append(e.args, "-set", e.Config+":listen nobody:balance=roundrobin"),
		"a secret":      append(e.args, "-set", e.Config+":listen cinder_api:stats auth=a"),
		"and a probe":   append(e.args, "-set", e.Config+":defaults:timeout server=2s", "-probe", "test"),
	} {
		if status, out := run(t, args...); status != 64 {
			t.Errorf("%s: status %d\n%s", what, status, out)
		}
	}
	if out, err := e.Ask("disable server cinder_api/a; disable server cinder_api/b"); err != nil || strings.TrimSpace(out) != "" {
		t.Fatalf("%q %v", out, err)
	}
	if status, out := e.set(t, "balance=roundrobin", "-apply"); status != 4 || !strings.Contains(out, "not healthy before the edit") {
		t.Errorf("status %d\n%s", status, out)
	}
	text, err := os.ReadFile(e.Config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, e.Config, "# Ansible managed\n"+string(text))
	if status, out := e.set(t, "balance=roundrobin", "-plan", filepath.Join(e.Dir, "plan")); status == 64 || !strings.Contains(out, "written anew by Ansible") || !strings.Contains(out, "balance roundrobin") {
		t.Errorf("status %d\n%s", status, out)
	}
}

// Files of other services are edited, and take effect when those begin anew.
func TestEditOfNova(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "nova.conf")
	write(t, path, "[DEFAULT]\nblock_device_allocate_retries = 5\n")
	args := []string{"-nova-conf", "c01=" + path, "-set", path + ":DEFAULT:block_device_allocate_retries=60", "-journal", filepath.Join(dir, "journal")}
	if status, out := run(t, append(args, "-apply")...); status != 0 || !strings.Contains(out, "restarted") {
		t.Errorf("status %d\n%s", status, out)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "[DEFAULT]\nblock_device_allocate_retries = 60\n" {
		t.Errorf("%s %v", b, err)
	}
}

// What a later file sets again is refused, with that file; for another host it
// is not one.
func TestEditThatChangesNothing(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "nova.conf.d")
	path, later := filepath.Join(dir, "nova.conf"), filepath.Join(folder, "later.conf")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, "[DEFAULT]\nblock_device_allocate_retries = 5\n")
	write(t, later, "[DEFAULT]\nblock_device_allocate_retries = 7\n")
	set := []string{"-set", path + ":DEFAULT:block_device_allocate_retries=60", "-journal", filepath.Join(dir, "journal"), "-apply"}
	for _, args := range [][]string{{"-nova-conf", "c01=" + path, "-nova-conf", "c01=" + later}, {"-nova-conf", path, "-config-dir", path + "=" + folder}} {
		if status, out := run(t, append(args, set...)...); status != 4 || !strings.Contains(out, later) || !strings.Contains(out, "to 7") {
			t.Errorf("%v: status %d\n%s", args, status, out)
		}
	}
	if status, out := run(t, append([]string{"-nova-conf", "c01=" + path, "-nova-conf", "c02=" + later}, set...)...); status != 0 {
		t.Errorf("of another host: status %d\n%s", status, out)
	}
	// The later one itself may be named, as a file of the folder.
	set[1] = later + ":DEFAULT:block_device_allocate_retries=60"
	if status, out := run(t, append([]string{"-nova-conf", path, "-config-dir", path + "=" + folder}, set...)...); status != 0 {
		t.Errorf("of the folder: status %d\n%s", status, out)
	}
	if b, err := os.ReadFile(later); err != nil || string(b) != "[DEFAULT]\nblock_device_allocate_retries = 60\n" {
		t.Errorf("%s %v", b, err)
	}
}
