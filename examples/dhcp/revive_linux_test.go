package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/dhcp"
	"github.com/stackmend/stackmend/internal/lab"
	labdhcp "github.com/stackmend/stackmend/internal/lab/dhcp"
	"github.com/stackmend/stackmend/internal/lab/guest"
	"github.com/stackmend/stackmend/internal/lab/virtlogd"
)

// A node is a compute node with a real libvirt and a real instance, and the
// network's DHCP server.
type node struct {
	t                    *testing.T
	virsh                []string
	server, tap, console string // files
}

const uuid = "7c1f8b1e-0d0c-4d3c-9f0a-0d5f4a1b2c3d"

// newNode boots the instance, and waits for its first lease.
func newNode(t *testing.T) *node {
	lab.Need(t, "kea-dhcp4", "tcpdump", "virsh")
	files := guest.Make(t)
	wire := labdhcp.NewWire(t, "")
	dir := t.TempDir()
	n := &node{t: t, server: filepath.Join(dir, "kea.log"), tap: filepath.Join(dir, "tap.pcap"), console: filepath.Join(dir, "console")}
	labdhcp.StartServer(t, wire.Server, labdhcp.Kea, n.server, labdhcp.Quick)
	l := virtlogd.Start(t, virtlogd.Config{StdioHandler: "file", Net: labdhcp.Path(wire.Compute)})
	n.virsh = l.Virsh()
	l.Create(t, "instance-00000001", files.Domain("instance-00000001", uuid, labdhcp.InstanceMAC, "br100", "tapvm", n.console))
	wire.Capture(wire.Compute, "tapvm", n.tap)
	n.await("the instance's network is up", func() bool { b, _ := os.ReadFile(n.console); return strings.Contains(string(b), "network is up") })
	return n
}

func (n *node) await(what string, ok func() bool) {
	n.t.Helper()
	for end := time.Now().Add(4 * time.Minute); !ok(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			b, _ := os.ReadFile(n.console)
			n.t.Fatalf("not in time: %s\n%s", what, b)
		}
	}
}

// guest has the agent run a command.
func (n *node) guest(script string) {
	n.t.Helper()
	ask, _ := json.Marshal(map[string]any{"execute": "guest-exec", "arguments": map[string]any{"path": "/bin/sh", "arg": []string{"-c", script}}})
	var out []byte
	n.await("the guest's agent answers", func() bool {
		var err error
		out, err = exec.Command(n.virsh[0], append(n.virsh[1:len(n.virsh):len(n.virsh)], "qemu-agent-command", uuid, string(ask))...).CombinedOutput()
		return err == nil
	})
	n.t.Logf("guest: %s: %s", script, out)
}

// tool runs the tool on what the node writes.
func (n *node) tool(args ...string) (int, string) {
	n.t.Helper()
	status, out, errs := run(n.t.Context(), append([]string{"-kea", n.server, "-tap-pcap", n.tap, "-until", "now", "-instances", "virsh",
		"-virsh", strings.Join(n.virsh, " "), "-mac", labdhcp.InstanceMAC, "-journal", filepath.Join(n.t.TempDir(), "journal")}, args...)...)
	return status, out + errs
}

// kill ends the instance's client, and waits until it is found out.
func (n *node) kill() {
	n.t.Helper()
	n.guest("kill -9 $(pidof udhcpc)")
	var out string
	defer func() {
		if n.t.Failed() {
			n.t.Log(out)
		}
	}()
	n.await("the client's end is found out", func() bool {
		var status int
		status, out = n.tool()
		return status == 2 && strings.Contains(out, dhcp.ClientDied)
	})
}

// TestRevive: a real instance whose client died. The link goes down and up,
// which does not help a guest that does not look at its carrier; what is left is
// said, and helps. Then the same with a guest that does look.
func TestRevive(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.kill()
	revive := []string{"-revive", labdhcp.InstanceMAC}
	status, out := n.tool(revive...)
	if status != 2 || !strings.Contains(out, "link-down") || !strings.Contains(out, "client-died (") {
		t.Errorf("dry: status %d\n%s", status, out)
	}
	status, out = n.tool(append(revive, "-apply", "-wait", "15s")...)
	if status == 0 || !strings.Contains(out, "did not help; what is left: guest-restart") {
		t.Errorf("status %d\n%s", status, out)
	}
	m, _ := dhcp.ParseMAC(labdhcp.InstanceMAC)
	if up, err := (dhcp.Libvirt{Command: n.virsh}).Link(t.Context(), uuid, m); err != nil || !up {
		t.Errorf("the link was left down: %v", err)
	}
	status, out = n.tool(append(revive, "-apply", "-from", "guest-restart", "-restart", "ifdown -f eth0; ifup eth0")...)
	if status != 0 {
		t.Errorf("by the agent: status %d\n%s", status, out)
	}
	n.guest("touch /plugged")
	n.kill()
	if status, out = n.tool(append(revive, "-apply")...); status != 0 {
		t.Errorf("by the link: status %d\n%s", status, out)
	}
}
