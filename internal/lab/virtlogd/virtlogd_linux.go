package virtlogd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
)

// Config is what the daemons read.
type Config struct {
	Virtlogd     string // lines of virtlogd.conf
	StdioHandler string // of qemu.conf: "logd" if empty
	Net          string // a network namespace to live in, as a path; empty: ours
}

// A Lab is a running virtlogd with its libvirtd.
type Lab struct {
	Virtlogd int // its PID
	dir      string
	shell    *lab.Process
}

// qemuConf makes qemu run as we do, without cgroups and labels.
const qemuConf = `user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = %q
`

// places are libvirt's own folders, each of which gets one of ours.
var places = []string{"/run/libvirt", "/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt"}

// Start starts both daemons and waits until they answer.
func Start(t testing.TB, c Config) *Lab {
	t.Helper()
	lab.Need(t, "virtlogd", "libvirtd", "virsh", "unshare", "nsenter", "mount", "qemu-system-x86_64")
	if os.Geteuid() != 0 {
		lab.Without(t, "a mount namespace needs root")
	}
	l := &Lab{dir: t.TempDir()}
	if c.StdioHandler == "" {
		c.StdioHandler = "logd"
	}
	script := "set -e\n"
	for _, p := range places {
		if err := os.MkdirAll(p, 0o755); err != nil { // where the daemons' package did not make it
			t.Fatal(err)
		}
		ours := filepath.Join(l.dir, strings.ReplaceAll(p[1:], "/", "-"))
		if err := os.Mkdir(ours, 0o755); err != nil {
			t.Fatal(err)
		}
		script += fmt.Sprintf("mount --bind %s %s\n", ours, p)
	}
	write(t, filepath.Join(l.dir, "etc-libvirt/virtlogd.conf"), c.Virtlogd)
	write(t, filepath.Join(l.dir, "etc-libvirt/qemu.conf"), fmt.Sprintf(qemuConf, c.StdioHandler))
	write(t, filepath.Join(l.dir, "etc-libvirt/libvirtd.conf"), "auth_unix_rw = \"none\"\n")
	script += fmt.Sprintf(`
virtlogd -p %[1]s/virtlogd.pid -f /etc/libvirt/virtlogd.conf &
while [ ! -S /run/libvirt/virtlogd-sock ]; do sleep 0.1; done
libvirtd -p %[1]s/libvirtd.pid -f /etc/libvirt/libvirtd.conf &
wait
`, l.dir)
	shell := []string{"unshare", "--mount", "--propagation", "private", "sh", "-c", script}
	if c.Net != "" {
		shell = append([]string{"nsenter", "--net=" + c.Net, "--"}, shell...)
	}
	l.shell = lab.Start(t, shell[0], shell[1:]...)
	l.shell.Until(t, "answering", func() bool {
		return l.virsh("version").Run() == nil
	})
	l.Virtlogd = pid(t, filepath.Join(l.dir, "virtlogd.pid"))
	libvirtd := pid(t, filepath.Join(l.dir, "libvirtd.pid"))
	t.Cleanup(func() { // so that the shell reaps them, and not an init that may be none
		_ = syscall.Kill(libvirtd, syscall.SIGKILL)
		_ = syscall.Kill(l.Virtlogd, syscall.SIGKILL)
		if err := l.shell.Wait(); err != nil {
			t.Logf("the daemons' shell: %v", err)
		}
	})
	return l
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func pid(t testing.TB, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// virsh is a command in the daemons' namespace.
func (l *Lab) virsh(arg ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"-m", "-t", strconv.Itoa(l.shell.Process.Pid), "virsh", "-q", "-c", "qemu:///system"}, arg...)...)
}

// domain is a small one that boots an image and has one serial console.
const domain = `<domain type='qemu'>
  <name>%[1]s</name>
  <uuid>%[2]s</uuid>
  <metadata>
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
      <nova:name>%[1]s-of-a-user</nova:name>
      <nova:owner>
        <nova:user uuid="7b0b4f5a6f6d4b5b8a3f3c1d2e4f5a6b">user</nova:user>
        <nova:project uuid="0f1e2d3c4b5a69788796a5b4c3d2e1f0">project</nova:project>
      </nova:owner>
    </nova:instance>
  </metadata>
  <memory unit='MiB'>16</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='%[3]s'/><target dev='hda' bus='ide'/></disk>
    %[4]s
    <memballoon model='none'/>
  </devices>
</domain>
`

// Domain starts a domain that boots the image, with this <serial>, and ends
// it with the test.
func (l *Lab) Domain(t testing.TB, name, uuid, image, serial string) {
	t.Helper()
	l.Create(t, name, fmt.Sprintf(domain, name, uuid, image, serial))
}

// Create starts the domain of this XML, and ends it with the test.
func (l *Lab) Create(t testing.TB, name, xml string) {
	t.Helper()
	path := filepath.Join(l.dir, name+".xml")
	write(t, path, xml)
	if out, err := l.virsh("create", path).CombinedOutput(); err != nil {
		t.Fatalf("virsh create: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := l.virsh("destroy", name).CombinedOutput(); err != nil {
			t.Errorf("virsh destroy: %v\n%s", err, out)
		}
	})
}

// Run is the folder in which libvirtd keeps the XML of its domains, as seen
// from outside of the namespace.
func (l *Lab) Run() string { return filepath.Join(l.dir, "run-libvirt/qemu") }

// Virsh is virsh in the daemons' namespace, as a command and its first
// arguments.
func (l *Lab) Virsh() []string { return l.virsh().Args }
