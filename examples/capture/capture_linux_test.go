package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/examples/imagecache/tree"
	"github.com/stackmend/stackmend/internal/recording"
)

const secret = "hunter2hunter2"

// newHost makes the files of a compute: configurations with secrets, a long
// log, an image cache, a console, and what must not be followed or waited for.
func newHost(t *testing.T) (root string, w tree.Tree) {
	t.Helper()
	root = t.TempDir()
	w, err := tree.Make(filepath.Join(root, "nova"), time.Now())
	must(t, err)
	console := filepath.Join(w.Instances(), "0a1f9f5e-58a4-4f4c-9a5b-5f6de0a1c001", "console.log")
	for path, text := range map[string]string{
		"etc/nova/nova.conf":            "[database]\nconnection = mysql+pymysql://nova:" + secret + "@db/nova\n[neutron]\npassword = " + secret + "\n[DEFAULT]\nblock_device_allocate_retries = 60\n",
		"etc/haproxy/haproxy.cfg":       "listen stats\n  stats auth admin:" + secret + "\n  balance source\n",
		"var/log/nova/nova-compute.log": strings.Repeat("2026-11-26 01:00:00.000 7 INFO nova [-] a line of a log\n", 20_000) + "REQ: -H \"X-Auth-Token: " + secret + "\"\nlast line\n",
		console[len(root)+1:]:           strings.Repeat("what the guest says is the guest's: "+secret+"\n", 1000),
	} {
		must(t, os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755))
		must(t, os.WriteFile(filepath.Join(root, path), []byte(text), 0o600))
	}
	must(t, syscall.Mkfifo(filepath.Join(root, "etc/nova/fifo.conf"), 0o600))
	must(t, os.Symlink("/etc/passwd", filepath.Join(root, "etc/nova/link.conf")))
	return root, w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func captures(t *testing.T, args ...string) (status int, text string) {
	t.Helper()
	var b bytes.Buffer
	status = run(t.Context(), args, cli.Streams{Out: &b, Err: &b, Getenv: func(string) string { return "" }})
	return status, b.String()
}

func TestCapture(t *testing.T) {
	root, w := newHost(t)
	path := filepath.Join(t.TempDir(), "host.tar.gz")
	status, text := captures(t, "-o", path, "-root", root, "-instances", w.Instances(), "-excerpt", "64KiB")
	if status != 0 || !strings.Contains(text, "4 secrets removed. Names") {
		t.Fatalf("%d\n%s", status, text)
	}
	for _, want := range []string{"fifo.conf: no plain file", "not in it: /etc/nova/link.conf", "not in it: ceph-check: the cluster", "the end of it"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not said:\n%s", want, text)
		}
	}
	a, err := recording.Open(path)
	must(t, err)
	defer a.Close()
	holdsNo(t, a.Dir, secret)
	log, err := os.ReadFile(filepath.Join(a.Dir, "logs/var/log/nova/nova-compute.log"))
	must(t, err)
	if len(log) > 64<<10 || !strings.HasSuffix(string(log), "last line\n") || !strings.HasPrefix(string(log), "2026-") {
		t.Errorf("the log: %d bytes, %.60q", len(log), log)
	}
	t.Run("replayed", func(t *testing.T) { replayed(t, path, root, w) })
}

// holdsNo looks for a word in all files.
func holdsNo(t *testing.T, dir, word string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(word)) {
			t.Errorf("%s holds %s", path, word)
		}
		return err
	}))
}

// Every check finds in the recording what it finds on the host, of which other
// tests may start and end a libvirt meanwhile: then it is recorded once more.
func replayed(t *testing.T, path, root string, w tree.Tree) {
	bin := t.TempDir()
	for name, live := range map[string][]string{
		"mtu":        {"-netns", "all"},
		"bpdu":       {},
		"imagecache": {"-instances", w.Instances()},
		"consolelog": {"-instances", w.Instances()},
		"ceph-check": {"-only-host"},
	} {
		cmd := exec.Command("go", "build", "-o", bin, "../"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		differ := ""
		for try := range 5 {
			if try > 0 {
				path = filepath.Join(t.TempDir(), "host.tar.gz")
				if status, text := captures(t, "-o", path, "-root", root, "-instances", w.Instances()); status != 0 {
					t.Fatalf("%d\n%s", status, text)
				}
			}
			got := result(t, filepath.Join(bin, name), "-json", "-replay", path)
			want := result(t, filepath.Join(bin, name), append([]string{"-json"}, live...)...)
			if differ = ""; got.Status == want.Status && codes(got) == codes(want) && len(got.Outcomes) == 0 {
				break
			}
			differ = fmt.Sprintf("%v %s, on the host %v %s", got.Status, codes(got), want.Status, codes(want))
		}
		if differ != "" {
			t.Errorf("%s: %s", name, differ)
		}
	}
}

func codes(r stackmend.Result) (text string) {
	for _, f := range r.Findings {
		text += f.Code + " " + f.Subject + "\n"
	}
	return text
}

func result(t *testing.T, program string, args ...string) (r stackmend.Result) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, _ := cmd.Output() // the status is that of the check
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%s %q: %v %s%s", program, args, err, out, &errs)
	}
	return r
}

// What other programs have recorded can be put into the same archive.
func TestMerged(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "db.tar.gz")
	w, err := recording.Create(other, "db1", time.Now())
	must(t, err)
	must(t, w.Snapshot("dbarchive", map[string]string{"a": "b"}))
	_, err = w.Close()
	must(t, err)
	all := filepath.Join(dir, "all.tar.gz")
	if status, text := captures(t, "-o", all, "-only", "host", "-with", other); status != 0 || !strings.Contains(text, "dbarchive.json") || !strings.Contains(text, "host/proc/meminfo") {
		t.Errorf("%d %s", status, text)
	}
	if status, text := captures(t, "-o", filepath.Join(dir, "x"), "-only", "host", "-with", other, "-with", other); status != 3 || !strings.Contains(text, "is there already") {
		t.Errorf("twice: %d %s", status, text)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestWrong(t *testing.T) {
	there := filepath.Join(t.TempDir(), "there")
	must(t, os.WriteFile(there, nil, 0o600))
	for _, c := range []struct {
		want int
		args []string
	}{
		{64, nil},
		{64, []string{"-o", "x", "y"}},
		{64, []string{"-o", "x", "-only", "everything"}},
		{64, []string{"-o", "x", "-excerpt", "0"}},
		{64, []string{"-frobnicate"}},
		{0, []string{"-help"}},
		{3, []string{"-o", there, "-only", "host"}},
		{3, []string{"-o", "/no/such/folder/x", "-only", "host"}},
		{3, []string{"-o", filepath.Join(t.TempDir(), "x"), "-only", "configs", "-root", t.TempDir()}},
	} {
		if status, text := captures(t, c.args...); status != c.want {
			t.Errorf("%q: %d, want %d: %s", c.args, status, c.want, text)
		}
	}
}

// One that is interrupted leaves nothing.
func TestInterrupted(t *testing.T) {
	dir, bin := t.TempDir(), filepath.Join(t.TempDir(), "capture")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	cmd := exec.Command(bin, "-o", filepath.Join(dir, "x"), "-only", "consolelog,ceph", "-instances", t.TempDir())
	out, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	for until := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if began, _ := filepath.Glob(filepath.Join(dir, ".x-*")); len(began) > 0 {
			break
		}
		if time.Now().After(until) {
			t.Fatal("it does not begin")
		}
	}
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	text, _ := io.ReadAll(out)
	if err := cmd.Wait(); err == nil {
		t.Errorf("status 0: %s", text)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v %s", left, text)
	}
}
