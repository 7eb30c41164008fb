package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/examples/imagecache/tree"
	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/nova"
)

// TestMain lets the test binary be the program that the plugin asks.
func TestMain(m *testing.M) {
	if os.Getenv("STACKMEND_NOVA") != "" {
		main()
	}
	os.Exit(m.Run())
}

// self is a command line of this program.
func self(t *testing.T, args ...string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append([]string{"env", "STACKMEND_NOVA=1", exe}, args...), " ")
}

// cell is what nova's database says to compute c01: those of c03 are not asked
// for, since it has not registered for a day.
var cell = nova.Cell{Host: "c01", Instances: []nova.Instance{
	{UUID: "0a1f9f5e-58a4-4f4c-9a5b-5f6de0a1c001", Host: "c01", Image: "debian-12", State: "active"},
	{UUID: "0a1f9f5e-58a4-4f4c-9a5b-5f6de0a1c002", Host: "c02", Image: "ubuntu-24", State: "active"},
	{UUID: "0a1f9f5e-58a4-4f4c-9a5b-5f6de0a1c003", Host: "c03", Image: "oracle-db", State: "active"},
}}

// A plugged is nova's real image cache manager with the plugin in it.
type plugged struct {
	manager *nova.Manager
	script  string // what the plugin asks
}

func plug(t *testing.T) *plugged {
	t.Helper()
	lab.Need(t, "qemu-img")
	dir := t.TempDir()
	p := &plugged{script: filepath.Join(dir, "stackmend-nova")}
	conf := filepath.Join(dir, "nova.conf")
	if err := os.WriteFile(conf, []byte("[stackmend]\ncommand = "+p.script+"\ntimeout = 5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plugin, err := filepath.Abs("stackmend_nova.py")
	if err != nil {
		t.Fatal(err)
	}
	p.manager = nova.StartManager(t, plugin, conf)
	return p
}

// pass runs a pass over a new tree. The script's ASKED stands for the flags
// that say whom to ask of it.
func (p *plugged) pass(t *testing.T, script string) (tree.Tree, nova.Pass) {
	t.Helper()
	w := cache(t)
	flags := "-services " + w.Services()
	for _, s := range w.Servers() {
		flags += " -servers " + s
	}
	text := "#!/bin/sh\n" + strings.ReplaceAll(script, "ASKED", flags) + "\n"
	if err := os.WriteFile(p.script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	if script == "" {
		os.Remove(p.script)
	}
	return w, p.manager.CachePass(t, w.Instances(), cell)
}

// cache makes a tree whose disks qemu-img can read.
func cache(t *testing.T) tree.Tree {
	t.Helper()
	w, err := tree.Make(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range cell.Instances {
		out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", filepath.Join(w.Instances(), "_base", tree.BaseName(i.Image)),
			filepath.Join(w.Instances(), i.UUID, "disk")).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return w
}

// cached lists what the cache holds.
func cached(w tree.Tree) (names []string) {
	for _, image := range tree.Images {
		if w.Has(image) {
			names = append(names, image)
		}
	}
	return names
}

// Nova's cleaner by itself takes the base image of c03's instance.
func TestCleanerAlone(t *testing.T) {
	w := cache(t)
	p := nova.StartManager(t).CachePass(t, w.Instances(), cell)
	if got := fmt.Sprint(cached(w)); got != "[debian-12 ubuntu-24]" {
		t.Errorf("cached %s:\n%s", got, p.Log)
	}
}

// Asked by the plugin, stackmend keeps everything while c03 is down, and the
// base image of its instance for ever. Whatever goes wrong, every image is
// kept, and the pass ends.
func TestCleaner(t *testing.T) {
	p := plug(t)
	unused := tree.BaseName(tree.Unused)
	const all = "[debian-12 ubuntu-24 oracle-db old-centos-6]"
	for _, c := range []struct{ name, script, cached, logged string }{
		{"a compute is down", self(t, "ASKED"), all, "c03"},
		{"it will never come back", self(t, "ASKED", "-gone c03=burnt"), "[debian-12 ubuntu-24 oracle-db]", "stackmend keeps"},
		{"it may go", say(`{"schema":1,"unused":["%s"]}`, unused), "[debian-12 ubuntu-24 oracle-db]", "stackmend keeps"},
		{"no program", "", all, "No such file"},
		{"a crash", "kill -9 $$", all, "exit status -9"},
		{"nothing", "true", all, "no JSON"},
		{"a refusal", "cat; exit 3", all, "exit status 3"},
		{"no JSON", say("unused: %s", unused), all, "no JSON"},
		{"another schema", say(`{"schema":2,"unused":["%s"]}`, unused), all, "another schema"},
		{"no list", say(`{"schema":1,"unused":"%s"}`, unused), all, "no list"},
		{"an array", say(`["%s"]`, unused), all, "another schema"},
		{"an error beside", say(`{"schema":1,"error":"the API is down","unused":["%s"]}`, unused), all, "the API is down"},
		{"other names", say(`{"schema":1,"unused":["%s"]}`, "../"+unused), all, "stackmend keeps"},
		{"it hangs", "sleep 1000 & echo $! >" + p.script + ".child; wait", all, "no answer within 5 s"},
	} {
		t.Run(c.name, func(t *testing.T) { p.cleans(t, c.script, c.cached, c.logged) })
	}
	p.gone(t)
}

// gone waits until the child of what hung has ended too.
func (p *plugged) gone(t *testing.T) {
	t.Helper()
	pid, err := os.ReadFile(p.script + ".child")
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		stat, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "stat"))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the child of what hung is still there: %s", stat)
		}
	}
}

func (p *plugged) cleans(t *testing.T, script, want, logged string) {
	w, pass := p.pass(t, script)
	if got := fmt.Sprint(cached(w)); got != want || !strings.Contains(pass.Log, logged) {
		t.Errorf("cached %s, want %s and %q:\n%s", got, want, logged, pass.Log)
	}
}

// say is a script that answers with a text.
func say(format, name string) string { return "echo '" + fmt.Sprintf(format, name) + "'" }

// TestConsole reads a console through the plugin's wrapper of nova's driver.
func TestConsole(t *testing.T) {
	nova.Need(t)
	log := filepath.Join(t.TempDir(), "console.log")
	if err := os.WriteFile(log, append(bytes.Repeat([]byte("x"), 1<<20), "\x00\x00the end\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ command, want string }{
		"asked":   {self(t), "xxx|the end\n|102400"},
		"failing": {"false", "x\x00\x00|the end\n|102400"}, // nova itself passes NULs on
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("/usr/bin/python3", "-c", readConsole, c.command, log)
			cmd.Dir = "."
			out, err := cmd.Output()
			if err != nil || string(out) != c.want {
				t.Errorf("%q, want %q: %v", out, c.want, err)
			}
		})
	}
}

// readConsole lets nova's libvirt driver read a console: what stands before the
// last line, that line, and how much it was in all.
const readConsole = `
import sys
import nova.conf, nova.config
nova.config.parse_args(["nova-compute"], default_config_files=[], configure_db=False, init_rpc=False)
import nova.privsep
nova.privsep.sys_admin_pctxt.set_client_mode(False)
import stackmend_nova
stackmend_nova.install()
nova.conf.CONF.set_override("command", sys.argv[1], "stackmend")
from nova.virt.libvirt import driver
b = driver.LibvirtDriver._get_console_output_file(None, None, sys.argv[2])
sys.stdout.write("%s|%s|%d" % (b[-11:-8].decode(), b[-8:].decode(), len(b)))
`

// What is asked wrongly gets an error and status 3.
func TestQuestions(t *testing.T) {
	for name, c := range map[string]struct{ question, says string }{
		"empty":         {"", "EOF"},
		"other schema":  {`{"schema":2,"ask":"unused"}`, "schema 2"},
		"unknown":       {`{"schema":1,"ask":"delete"}`, "nobody here answers"},
		"unknown field": {`{"schema":1,"ask":"unused","force":true}`, "force"},
		"no directory":  {`{"schema":1,"ask":"unused"}`, "no instances directory"},
		"absent":        {`{"schema":1,"ask":"unused","instances":"/nonexistent"}`, "nonexistent"},
		"no console":    {`{"schema":1,"ask":"tail","path":"/nonexistent"}`, "nonexistent"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			status := run(t.Context(), nil, strings.NewReader(c.question), &out, &out)
			var a answer
			err := json.Unmarshal(out.Bytes(), &a)
			if status != exitUnknown || err != nil || a.Schema != 1 || !strings.Contains(a.Error, c.says) || len(a.Unused) > 0 {
				t.Errorf("status %d: %s %v", status, out.String(), err)
			}
		})
	}
}
