// Package guest makes a small real instance for tests: Debian's cloud kernel
// and, in memory, busybox with its ifupdown and udhcpc, and qemu's guest
// agent. Debian: linux-image-cloud-amd64, busybox-static, qemu-guest-agent, kmod.
package guest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
)

// Files are what a domain boots.
type Files struct {
	Kernel, Initrd string
}

// modules are what the guest's devices need.
var modules = []string{"virtio_pci", "virtio_net", "virtio_console"}

// Make makes the files in a temporary folder.
func Make(t testing.TB) Files {
	t.Helper()
	lab.Need(t, "busybox", "modprobe", "qemu-ga", "ldd", "qemu-system-x86_64")
	kernels, err := filepath.Glob("/boot/vmlinuz-*-cloud-amd64")
	if err != nil || len(kernels) == 0 {
		lab.Without(t, "no cloud kernel in /boot")
	}
	kernel := slices.Max(kernels)
	root := filepath.Join(t.TempDir(), "root")
	for _, dir := range []string{"bin", "etc/network/if-up.d", "etc/udhcpc", "modules", "proc", "sys", "dev", "tmp", "run", "var/run", "var/lib"} {
		must(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	copyTo(t, root, "/bin/busybox")
	withLibraries(t, root, "qemu-ga")
	for path, text := range files {
		must(t, os.WriteFile(filepath.Join(root, path), []byte(text), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(root, "modules/order"), []byte(load(t, root, strings.TrimPrefix(kernel, "/boot/vmlinuz-"))), 0o644))
	return Files{Kernel: kernel, Initrd: pack(t, root)}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// copyTo copies a file to the same place below root.
func copyTo(t testing.TB, root, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	to := filepath.Join(root, path)
	must(t, os.MkdirAll(filepath.Dir(to), 0o755))
	must(t, os.WriteFile(to, b, 0o755))
}

// withLibraries copies a program and what it is linked to.
func withLibraries(t testing.TB, root, program string) {
	t.Helper()
	path, err := exec.LookPath(program)
	must(t, err)
	out, err := exec.Command("ldd", path).Output()
	must(t, err)
	copyTo(t, root, path)
	for _, word := range strings.Fields(string(out)) {
		if strings.HasPrefix(word, "/") {
			copyTo(t, root, word)
		}
	}
}

// load copies the modules, and returns them in the order in which they load.
func load(t testing.TB, root, release string) string {
	t.Helper()
	var order []string
	for _, m := range modules {
		out, err := exec.Command("modprobe", "-S", release, "--show-depends", m).Output()
		must(t, err)
		for _, line := range strings.Split(string(out), "\n") {
			path, ok := strings.CutPrefix(line, "insmod ")
			if path = strings.TrimSpace(path); ok && !slices.Contains(order, path) {
				copyTo(t, root, path)
				order = append(order, path)
			}
		}
	}
	return strings.Join(order, "\n") + "\n"
}

func pack(t testing.TB, root string) string {
	t.Helper()
	initrd := root + ".cpio"
	cmd := exec.Command("sh", "-c", `busybox find . | busybox cpio -o -H newc > "$0"`, initrd)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v\n%s", err, out)
	}
	return initrd
}

// Domain is libvirt's XML of the guest, its device in the bridge by this tap.
// Its console goes to a file.
func (f Files) Domain(name, uuid, mac, bridge, tap, console string) string {
	return fmt.Sprintf(domain, name, uuid, f.Kernel, f.Initrd, mac, bridge, tap, console)
}
