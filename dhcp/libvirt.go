package dhcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// Libvirt changes instances of one compute node by virsh. It is a [Link] and
// an [Agent].
//
// Similar to: virsh domif-setlink, virsh qemu-agent-command
// (https://gitlab.com/libvirt/libvirt/-/blob/v9.0.0/docs/manpages/virsh.rst).
type Libvirt struct {
	// Command is virsh with what goes before its own command; empty: virsh -c
	// qemu:///system.
	Command []string
	// Restart is what the guest agent executes; empty: systemctl try-restart of
	// what manages networks, of which those that do not run are left alone.
	Restart []string
}

// Link reports whether the device's link is up, as virsh domif-getlink has it.
func (l Libvirt) Link(ctx context.Context, domain string, m MAC) (bool, error) {
	out, err := l.virsh(ctx, "domif-getlink", domain, "--interface="+m.String())
	if err != nil {
		return false, err
	}
	words := strings.Fields(string(out))
	if len(words) != 2 || words[0] != m.String() || words[1] != "up" && words[1] != "down" {
		return false, fmt.Errorf("dhcp: virsh domif-getlink says %.200q", out)
	}
	return words[1] == "up", nil
}

// SetLink pulls the cable of the device, or puts it back.
func (l Libvirt) SetLink(ctx context.Context, domain string, m MAC, up bool) error {
	_, err := l.virsh(ctx, "domif-setlink", domain, "--interface="+m.String(), "--state="+state(up))
	return err
}

// tryRestart restarts what manages the guest's networks and runs.
var tryRestart = []string{"/bin/sh", "-c", "for s in systemd-networkd NetworkManager networking network; do systemctl try-restart $s.service; done"}

// RestartNetworking has the guest's agent execute Restart, and waits for its
// end. Its exit status proves nothing and is not looked at.
func (l Libvirt) RestartNetworking(ctx context.Context, domain string) error {
	command := l.Restart
	if len(command) == 0 {
		command = tryRestart
	}
	var begun struct {
		Return struct{ PID int }
	}
	err := l.agent(ctx, domain, "guest-exec", map[string]any{"path": command[0], "arg": command[1:]}, &begun)
	if err != nil {
		return err
	}
	for {
		var s struct{ Return struct{ Exited bool } }
		if err := l.agent(ctx, domain, "guest-exec-status", map[string]any{"pid": begun.Return.PID}, &s); err != nil || s.Return.Exited {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// agent asks the guest's agent
// (https://gitlab.com/qemu-project/qemu/-/blob/v7.2.0/qga/qapi-schema.json).
func (l Libvirt) agent(ctx context.Context, domain, execute string, arguments, answer any) error {
	ask, err := json.Marshal(map[string]any{"execute": execute, "arguments": arguments})
	if err != nil {
		return err
	}
	out, err := l.virsh(ctx, "qemu-agent-command", domain, "--cmd="+string(ask))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, answer); err != nil {
		return fmt.Errorf("dhcp: the guest agent's answer to %s: %w", execute, err)
	}
	return nil
}

// virsh runs one of its commands on a domain.
func (l Libvirt) virsh(ctx context.Context, name, domain string, arg ...string) ([]byte, error) {
	if domain == "" || strings.ContainsAny(domain, "\x00\n") {
		return nil, fmt.Errorf("%w: %q is no domain", stackmend.ErrRefused, domain)
	}
	return l.run(ctx, name, append([]string{"--domain=" + domain}, arg...)...)
}

func (l Libvirt) run(ctx context.Context, name string, arg ...string) ([]byte, error) {
	command := l.Command
	if len(command) == 0 {
		command = []string{"virsh", "-c", "qemu:///system"}
	}
	all := slices.Concat(command[1:], []string{"-q", name}, arg)
	cmd := exec.CommandContext(ctx, command[0], all...)
	cmd.WaitDelay = time.Second
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err == nil {
		return bytes.TrimSpace(out), nil
	}
	if ctx.Err() != nil {
		err = errors.Join(err, context.Cause(ctx))
	}
	why := strings.TrimSpace(said.String())
	if strings.Contains(why, "failed to get domain") || strings.Contains(why, "interface (") || strings.Contains(why, "not found") {
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return nil, fmt.Errorf("dhcp: virsh %s %s: %w: %.300s", name, strings.Join(arg, " "), err, why)
}
