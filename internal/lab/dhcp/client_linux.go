package dhcp

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/netns"
)

// A stamper writes lines as syslog does: with the time of their arrival and
// the program behind it.
type stamper struct {
	mu      sync.Mutex
	to      io.Writer
	host    string // that the program runs on
	program string
	rest    []byte
}

func (s *stamper) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = append(s.rest, b...)
	for {
		line, rest, whole := bytes.Cut(s.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		s.rest = bytes.Clone(rest)
		if len(line) == 0 {
			continue
		}
		line = bytes.TrimPrefix(line, []byte(s.program+": ")) // which names itself, but not to syslog
		if _, err := fmt.Fprintf(s.to, "%s %s %s: %s\n", time.Now().UTC().Format(time.Stamp), s.host, s.program+"[1]", line); err != nil {
			return 0, err
		}
	}
}

// logged starts a program in the namespace, its words stamped into a file.
func logged(t testing.TB, cmd *exec.Cmd, file, host, program string) *lab.Process {
	t.Helper()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	s := &stamper{to: f, host: host, program: program}
	cmd.Stdout, cmd.Stderr = s, s
	return lab.StartCmd(t, cmd)
}

// A clientStart says how a client begins.
type clientStart struct {
	dir, log string
	host     string // in the log, and the name that it gives
	leases   string // that dhclient has from before
}

// script sets what the client was given. Words that it writes go to the
// client's log.
const script = `#!/bin/sh
case "$reason$1" in
PREINIT|deconfig) ip addr flush dev $interface; ip link set $interface up;;
BOUND|REBOOT|RENEW|REBIND) echo "dhclient-script: reason=$reason interface=$interface old=$old_ip_address new=$new_ip_address server=$new_dhcp_server_identifier lease=$new_dhcp_lease_time"
 [ "$old_ip_address" != "$new_ip_address" ] && ip addr flush dev $interface; ip addr replace $new_ip_address/24 dev $interface;;
EXPIRE|FAIL|RELEASE|STOP) echo "dhclient-script: reason=$reason interface=$interface old=$old_ip_address"; ip addr flush dev $interface;;
bound|renew) ip addr replace $ip/24 dev $interface;;
esac
exit 0
`

// StartClient starts a client in the namespace of an instance of a [Wire], its
// words in the file, and waits until it has a lease.
func StartClient(t testing.TB, n *netns.Namespace, program, log string) *lab.Process {
	t.Helper()
	p := startClient(t, n, program, clientStart{log: log, host: "vm-a"})
	await(t, "the instance has a lease", func() bool { return Addr(n) != "" })
	return p
}

// startClient starts a client in the foreground.
func startClient(t testing.TB, n *netns.Namespace, program string, c clientStart) *lab.Process {
	t.Helper()
	own := t.TempDir()
	sh := filepath.Join(own, "script")
	write(t, sh, script, 0o700)
	switch program {
	case Dhclient:
		lab.Need(t, "dhclient")
		conf, leases := filepath.Join(own, "conf"), filepath.Join(own, "leases")
		write(t, conf, fmt.Sprintf("timeout 20; retry 10; reboot 3; select-timeout 0; initial-interval 2; backoff-cutoff 5;\n"+
			"request subnet-mask, broadcast-address, routers, interface-mtu, host-name;\nsend host-name %q;\n", c.host), 0o600)
		write(t, leases, c.leases, 0o600)
		return logged(t, Command(n, "dhclient", "-d", "-v", "-cf", conf, "-lf", leases, "-pf", filepath.Join(own, "pid"), "-sf", sh, "eth0"), c.log, "inst", Dhclient)
	case Dhcpcd:
		lab.Need(t, "dhcpcd")
		hide := "mount -t tmpfs none /run && mount -t tmpfs none /var/lib/dhcpcd && exec dhcpcd -4 -B -d -A -h " + c.host + " -c /bin/true eth0"
		return logged(t, Command(n, "unshare", "-m", "sh", "-c", hide), c.log, "inst", Dhcpcd)
	case Udhcpc:
		lab.Need(t, "udhcpc")
		return logged(t, Command(n, "udhcpc", "-f", "-i", "eth0", "-s", sh, "-t", "3", "-T", "2", "-A", "5", "-x", "hostname:"+c.host), c.log, "inst", Udhcpc)
	}
	t.Fatalf("no client %q", program)
	return nil
}

func write(t testing.TB, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
