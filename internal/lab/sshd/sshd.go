// Package sshd starts real sshds of OpenSSH on loopback for tests, each on a
// host of its own name.
package sshd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
)

// As makes a command run on a host of this name: in a UTS namespace.
func As(cmd *exec.Cmd, host string) {
	cmd.Args = append([]string{"unshare", "--uts", "sh", "-c", `hostname "$1"; p=$2; shift 2; exec "$p" "$@"`, "sh", host, cmd.Path}, cmd.Args[1:]...)
	if cmd.Path, cmd.Err = exec.LookPath("unshare"); cmd.Err != nil {
		cmd.Path = "unshare"
	}
}

const server = `ListenAddress 127.0.0.1:%s
HostKey %s
AuthorizedKeysFile %s
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv PATH=%s
`

const client = `Host %s
HostName 127.0.0.1
HostKeyAlias any
Port %s
`

// Up starts an sshd on each host and returns the ssh_config by which ssh
// reaches them. Path is the PATH of what runs there. Root is needed.
func Up(t testing.TB, path string, hosts ...string) (config string) {
	t.Helper()
	lab.Need(t, "sshd", "ssh", "ssh-keygen", "unshare", "setsid")
	if os.Geteuid() != 0 {
		lab.Without(t, "root, for an sshd")
	}
	// sshd drops its privileges in this folder.
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, key := range []string{"host", "user"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", at(key)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	public, err := os.ReadFile(at("host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, h := range hosts {
		fmt.Fprintf(&b, client, h, serve(t, at, path, h))
	}
	fmt.Fprintf(&b, "Host *\nUser root\nIdentityFile %s\nIdentitiesOnly yes\nUserKnownHostsFile %s\nGlobalKnownHostsFile none\n", at("user"), at("known"))
	write(t, at("known"), "any "+string(public))
	write(t, at("config"), b.String())
	return at("config")
}

// serve starts the sshd of one host and returns its port.
func serve(t testing.TB, at func(string) string, path, host string) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	write(t, at("sshd."+host), fmt.Sprintf(server, port, at("host"), at("user.pub"), path))
	bin, err := exec.LookPath("sshd")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-D", "-e", "-f", at("sshd."+host))
	As(cmd, host)
	p := lab.StartCmd(t, cmd)
	p.Until(t, "listening", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return port
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
