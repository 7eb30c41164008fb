package fleet

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/examples/imagecache/tree"
	"github.com/stackmend/stackmend/internal/lab"
)

// A host is namespaces of its own: mounts, name, network and processes. Its
// /srv is a folder of the test.
type host struct {
	*lab.Process
	name string
	dir  string // what it sees as /srv
	pid  int
}

// inside makes the host, and says so.
const inside = `set -e
hostname %s
mount --bind %s /srv
mount -t tmpfs none /run/lock
ip link set lo up
echo ready
exec sleep infinity`

func newHost(t *testing.T, name string) *host {
	t.Helper()
	h := &host{name: name, dir: t.TempDir()}
	h.Process = lab.Start(t, "unshare", "--mount", "--uts", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
		"sh", "-c", fmt.Sprintf(inside, name, h.dir))
	h.Until(t, "being a host", func() bool { return strings.Contains(h.Output(), "ready") })
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", h.Process.Process.Pid, h.Process.Process.Pid))
	if err == nil {
		_, err = fmt.Sscan(string(b), &h.pid)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// path is a path of the host as the test sees it.
func (h *host) path(elem ...string) string {
	return filepath.Join(append([]string{h.dir}, elem...)...)
}

// A fleet is three hosts, each with a console that is too large, and with an
// image cache of which two images are needed by nobody.
type fleet struct {
	dir   string // of the inventory and what the plays write
	bin   string // of the programs
	hosts []*host
	trees []tree.Tree
}

const spare = "an-image-that-nobody-uses-either"

func newFleet(t *testing.T) *fleet {
	t.Helper()
	lab.Need(t, "ansible-playbook", "unshare", "nsenter", "hostname", "ip", "go")
	if os.Geteuid() != 0 {
		lab.Without(t, "not root: no namespaces")
	}
	f := &fleet{dir: t.TempDir(), bin: t.TempDir()}
	for _, name := range []string{"imagecache", "consolelog", "ceph-trim-pglog"} {
		cmd := exec.Command("go", "build", "-o", f.bin, "../"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for _, name := range []string{"node-b", "node-a", "node-c"} { // the inventory's order, and no other
		f.add(t, newHost(t, name))
	}
	f.inventory(t, "")
	return f
}

func (f *fleet) add(t *testing.T, h *host) {
	t.Helper()
	w, err := tree.Make(h.dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().AddDate(0, -2, 0)
	more := filepath.Join(w.Instances(), "_base", tree.BaseName(spare))
	log := filepath.Join(w.Instances(), "0a1f9f5e-58a4-4f4c-9a5b-5f6de0a1c001", "console.log")
	for path, size := range map[string]int{more: 1 << 20, log: 3 << 20} {
		if err := os.WriteFile(path, []byte(strings.Repeat("all work and no play\n", size/21)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(more, old, old); err != nil {
		t.Fatal(err)
	}
	f.hosts, f.trees = append(f.hosts, h), append(f.trees, w)
}

// inventory writes the inventory, with further flags for imagecache.
func (f *fleet) inventory(t *testing.T, more string) {
	t.Helper()
	text := "all:\n  vars:\n    ansible_connection: namespace\n    ansible_python_interpreter: /usr/bin/python3\n    stackmend_state: /srv/state\n" +
		"    fleet_out: " + f.dir + "/out\n    stackmend_programs:\n"
	for _, name := range []string{"imagecache", "consolelog", "ceph-trim-pglog"} {
		text += "      " + name + ": " + filepath.Join(f.bin, name) + "\n"
	}
	text += "    stackmend:\n      consolelog: [-instances, /srv/instances, -limit, 1MiB, -keep, 200KiB, -between, '0', -archive, /srv/archive]\n" +
		"      ceph-trim-pglog: [-host, '{{ inventory_hostname }}', -conf, /srv/no-ceph.conf]\n" +
		"      imagecache: [-instances, '/srv/instances={{ tree }}/instances', -quarantine, /srv/instances/_quarantine, -services, /srv/services.json, " +
		"-servers, /srv/servers.json, -servers, /srv/soft-deleted.json, -gone, 'c03=burnt down'" + more + "]\n  hosts:\n"
	for _, h := range f.hosts {
		text += fmt.Sprintf("    %s: {namespace_pid: %d, tree: %s}\n", h.name, h.pid, h.dir)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "inventory.yml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// play runs a playbook, and returns whether all went well and what it printed.
func (f *fleet) play(t *testing.T, book string, vars ...string) (ok bool, out string) {
	t.Helper()
	args := []string{"-i", filepath.Join(f.dir, "inventory.yml"), book}
	for _, v := range vars {
		args = append(args, "-e", v)
	}
	plugins, err := filepath.Abs("testdata/connection_plugins")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ansible-playbook", args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + f.dir, "LC_ALL=C.UTF-8", "ANSIBLE_CONNECTION_PLUGINS=" + plugins, "ANSIBLE_NOCOLOR=1",
		"PYTHONDONTWRITEBYTECODE=1"}
	p := lab.StartCmd(t, cmd)
	err = p.Wait()
	return err == nil, p.Output()
}

// images are those of a host's cache.
func (f *fleet) images(i int) (n int) {
	entries, _ := os.ReadDir(filepath.Join(f.trees[i].Instances(), "_base"))
	return len(entries)
}

// out is a file that a play has written here.
func (f *fleet) out(t *testing.T, elem ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{f.dir, "out"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
