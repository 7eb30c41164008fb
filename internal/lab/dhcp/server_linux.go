package dhcp

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/netns"
)

// A server is one that runs.
type server struct {
	*lab.Process
	hosts string // dnsmasq's file of reservations
}

// A pool is what a server gives.
type pool struct {
	to       int // the last address: 10.2.0.to; the first is 10.2.0.10
	times    Times
	quietLog bool   // dnsmasq without --log-dhcp
	hosts    string // dnsmasq's reservations
}

// StartServer starts a server in the namespace of a [Wire]'s server, whose
// words go to the file.
func StartServer(t testing.TB, n *netns.Namespace, program, log string, times Times) *lab.Process {
	t.Helper()
	return startServer(t, n, program, log, pool{to: 50, times: times}).Process
}

// startServer starts a server whose words go to the file.
func startServer(t testing.TB, n *netns.Namespace, program, log string, p pool) *server {
	t.Helper()
	own := t.TempDir()
	switch program {
	case Dnsmasq:
		return startDnsmasq(t, n, own, log, p)
	case Dhcpd:
		lab.Need(t, "dhcpd")
		conf, leases := filepath.Join(own, "conf"), filepath.Join(own, "leases")
		write(t, conf, fmt.Sprintf("authoritative; default-lease-time %[1]d; max-lease-time %[1]d; min-lease-time %[1]d;\n"+
			"option dhcp-renewal-time %[2]d; option dhcp-rebinding-time %[3]d; ping-check false;\n"+
			"subnet 10.2.0.0 netmask 255.255.255.0 { range 10.2.0.10 10.2.0.%[4]d; }\n", p.times.Lease, p.times.Renew, p.times.Rebind, p.to), 0o600)
		write(t, leases, "", 0o600)
		s := &server{Process: logged(t, Command(n, "dhcpd", "-4", "-f", "-d", "-user", "root", "-group", "root", "-cf", conf, "-lf", leases, "-pf", filepath.Join(own, "pid"), "eth0"), log, "srv", Dhcpd)}
		s.ready(t, log, "Server starting service")
		return s
	case Kea:
		return startKea(t, n, own, log, p)
	}
	t.Fatalf("no server %q", program)
	return nil
}

// startDnsmasq starts it with the options that Neutron's agent and
// nova-network give it.
func startDnsmasq(t testing.TB, n *netns.Namespace, own, log string, p pool) *server {
	t.Helper()
	lab.Need(t, "dnsmasq")
	hosts := filepath.Join(own, "hosts")
	write(t, hosts, p.hosts, 0o600)
	arg := []string{"dnsmasq", "-k", "--user=root", "--conf-file=/dev/null", "--pid-file=" + filepath.Join(own, "pid"), "--port=0", "--bind-interfaces", "--interface=eth0",
		"--no-ping", "--dhcp-authoritative", "--dhcp-leasefile=" + filepath.Join(own, "leases"), "--dhcp-hostsfile=" + hosts, "--log-facility=" + log,
		fmt.Sprintf("--dhcp-range=10.2.0.10,10.2.0.%d,255.255.255.0,%d", p.to, p.times.Lease),
		fmt.Sprintf("--dhcp-option=option:T1,%d", p.times.Renew), fmt.Sprintf("--dhcp-option=option:T2,%d", p.times.Rebind)}
	if !p.quietLog {
		arg = append(arg, "--log-dhcp")
	}
	s := &server{Process: lab.StartCmd(t, Command(n, arg...)), hosts: hosts}
	s.ready(t, log, "IP range")
	return s
}

func startKea(t testing.TB, n *netns.Namespace, own, log string, p pool) *server {
	t.Helper()
	lab.Need(t, "kea-dhcp4")
	conf := filepath.Join(own, "conf")
	write(t, conf, fmt.Sprintf(`{"Dhcp4": {
 "interfaces-config": {"interfaces": ["eth0"]}, "authoritative": true,
 "lease-database": {"type": "memfile", "persist": false},
 "valid-lifetime": %d, "renew-timer": %d, "rebind-timer": %d,
 "subnet4": [{"subnet": "10.2.0.0/24", "pools": [{"pool": "10.2.0.10 - 10.2.0.%d"}]}],
 "loggers": [{"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": %q, "flush": true}]}]
}}`, p.times.Lease, p.times.Renew, p.times.Rebind, p.to, log), 0o600)
	cmd := Command(n, "kea-dhcp4", "-c", conf)
	cmd.Env = append(cmd.Env, "KEA_LOCKFILE_DIR="+own, "KEA_PIDFILE_DIR="+own)
	s := &server{Process: lab.StartCmd(t, cmd)}
	s.ready(t, log, "DHCP4_STARTED")
	return s
}

func (s *server) ready(t testing.TB, log, word string) {
	t.Helper()
	s.Until(t, "being ready", func() bool { return holds(log, word) })
}

// reserve gives dnsmasq other reservations.
func (s *server) reserve(t testing.TB, hosts string) {
	t.Helper()
	write(t, s.hosts, hosts, 0o600)
	if err := s.Process.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// end asks a program to end and waits until it has.
func end(t testing.TB, p *lab.Process) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil && !p.Ended() {
		t.Fatal(err)
	}
	await(t, p.Path+" has ended", p.Ended)
}

func holds(file, word string) bool {
	b, err := os.ReadFile(file)
	return err == nil && contains(b, word)
}
