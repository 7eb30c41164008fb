// Package vlan runs a program inside a User-Mode Linux kernel that has VLANs,
// bonding and tunnels, for tests on machines whose own kernel has not, or
// where nobody wants to touch the links.
//
// The host's file tree is the guest's read-only root, so that no image is
// needed; it boots in two to four seconds. Debian: user-mode-linux,
// busybox-static, iproute2, kmod.
package vlan

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Programs are what a Kernel needs on the host.
var programs = []string{"linux.uml", "busybox", "ip", "modprobe"}

// Programs returns the names of the programs that Run needs.
func Programs() []string { return append([]string(nil), programs...) }

// Env is set, to "uml", for programs that run inside.
const Env = "VMTEST"

// A Kernel says what the guest has.
type Kernel struct {
	Modules []string // loaded before the program starts
	Memory  string   // for example 512M, which is also the default
}

// Run runs argv as root inside, with dir as its writable folder (mounted at
// /mnt/out, where it starts), and returns what it wrote and its exit status.
// An error means that the guest ended without telling one.
func (k Kernel) Run(ctx context.Context, dir string, argv ...string) (output []byte, status int, err error) {
	for _, stale := range []string{"output", "rc"} {
		if err := os.RemoveAll(filepath.Join(dir, stale)); err != nil {
			return nil, 0, err
		}
	}
	init := filepath.Join(dir, "init")
	if err := os.WriteFile(init, []byte(k.script(dir, argv)), 0o755); err != nil {
		return nil, 0, err
	}
	console, err := k.boot(ctx, dir, init)
	output, _ = os.ReadFile(filepath.Join(dir, "output"))
	rc, rcErr := os.ReadFile(filepath.Join(dir, "rc"))
	if rcErr != nil {
		return output, 0, fmt.Errorf("guest ended without an exit status (%v); console: %s", err, tail(console))
	}
	status, err = strconv.Atoi(strings.TrimSpace(string(rc)))
	return output, status, err
}

func (k Kernel) boot(ctx context.Context, dir, init string) ([]byte, error) {
	mem := k.Memory
	if mem == "" {
		mem = "512M"
	}
	var console bytes.Buffer
	cmd := exec.CommandContext(ctx, "linux.uml", "mem="+mem, "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
		"init="+init, "umid="+filepath.Base(dir)+strconv.Itoa(os.Getpid()),
		"con=null", "con0=null,fd:1", "con1=null", "ssl=null", "quiet")
	cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir) // its socket and its memory file
	cmd.Stdout, cmd.Stderr = &console, &console
	inOwnGroup(cmd)
	err := cmd.Run()
	return console.Bytes(), err
}

// script is the guest's init. It mounts nothing on /tmp, for the program may
// stand there.
func (k Kernel) script(dir string, argv []string) string {
	var b strings.Builder
	b.WriteString(`#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/mnt/tmp TMPDIR=/mnt/tmp ` + Env + `=uml
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs run /run; mount -t tmpfs mnt /mnt
mkdir -p /mnt/out /mnt/tmp /mnt/m/lib; mount -t hostfs -o ` + quote(dir) + ` none /mnt/out
ln -s /usr/lib/uml/modules /mnt/m/lib/modules
printf '#!/bin/sh\nexec /sbin/modprobe -d /mnt/m "$@"\n' >/mnt/modprobe; chmod +x /mnt/modprobe
echo /mnt/modprobe >/proc/sys/kernel/modprobe
`)
	for _, m := range k.Modules {
		b.WriteString("/mnt/modprobe " + quote(m) + " || echo no module " + quote(m) + " >>/mnt/out/output\n")
	}
	b.WriteString("ip link set lo up; cd /mnt/out\n")
	for _, a := range argv {
		b.WriteString(quote(a) + " ")
	}
	b.WriteString(">>/mnt/out/output 2>&1 </dev/null\necho $? >/mnt/out/rc\nsync; busybox poweroff -f\n")
	return b.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func tail(b []byte) string {
	const most = 2000
	return string(b[max(0, len(b)-most):])
}
