package dhcp

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
)

// The programs.
const (
	Dnsmasq = "dnsmasq"
	Kea     = "kea"
	Dhcpd   = "dhcpd" // ISC

	Dhclient = "dhclient" // ISC
	Dhcpcd   = "dhcpcd"
	Udhcpc   = "udhcpc" // busybox
)

// Times are those of a lease, in seconds, and how long a failure is watched.
type Times struct {
	Lease, Renew, Rebind int
	Watch                time.Duration // from the failure on
}

// Quick are times in which a failure shows soon; dnsmasq gives no lease below
// two minutes, but renews as told. Usual are those of a lease of two minutes,
// watched to its end and over.
var (
	Quick = Times{Lease: 40, Renew: 20, Rebind: 34, Watch: 52 * time.Second}
	Usual = Times{Lease: 120, Renew: 60, Rebind: 105, Watch: 185 * time.Second}
)

// A Setup is what [Play] plays.
type Setup struct {
	Case   string
	Server string // empty: Dnsmasq
	Client string // empty: Dhclient
	Times  Times  // zero: Quick
	Dir    string // where the files go; empty: a temporary folder
	Quiet  bool   // dnsmasq without --log-dhcp
}

// The files that a play leaves in its folder.
const (
	ServerLog     = "server.log"
	ClientLog     = "client.log"
	ServerCapture = "server.pcap"
	ClientCapture = "client.pcap"
	TapCapture    = "tap.pcap"
)

// A Recording is what a play has left.
type Recording struct {
	Setup
	Failed time.Time // when the failure was provoked; zero: none was
}

// A scene is a play on its way.
type scene struct {
	*Wire
	Setup
	t      testing.TB
	server *server
	client *lab.Process
	failed time.Time
}

// Play plays a failure, from before the first lease until all of it was seen.
// Its processes and namespaces are gone when it returns or the test ends.
func Play(t testing.TB, s Setup) Recording {
	t.Helper()
	c, ok := cases[s.Case]
	if !ok {
		t.Fatalf("no failure %q", s.Case)
	}
	s.fill(t)
	w := NewWire(t, c.other)
	play := &scene{Wire: w, Setup: s, t: t}
	taps := []*lab.Process{w.Capture(w.Server, "eth0", play.file(ServerCapture)), w.Capture(w.Instance, "eth0", play.file(ClientCapture)), w.Capture(w.Compute, "tapcli", play.file(TapCapture))}
	p := pool{to: 50, times: s.times(c), quietLog: s.Quiet, hosts: c.hosts}
	if c.last > 0 {
		p.to = c.last
	}
	play.server = startServer(t, w.Server, s.Server, play.file(ServerLog), p)
	c.play(play)
	if play.client != nil {
		play.client.Stop()
	}
	for _, tap := range taps {
		end(t, tap)
	}
	play.server.Stop() // without a word: that the play is over is no failure of the server
	return Recording{s, play.failed}
}

func (s *Setup) fill(t testing.TB) {
	if s.Server == "" {
		s.Server = Dnsmasq
	}
	if s.Client == "" {
		s.Client = Dhclient
	}
	if s.Times == (Times{}) {
		s.Times = Quick
	}
	if s.Dir == "" {
		s.Dir = t.TempDir()
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

// times are those of the case, where the quick ones are too quick for it.
func (s *Setup) times(c failure) Times {
	if s.Times == Quick && c.times != (Times{}) {
		s.Times = c.times
	}
	return s.Times
}

func (s *scene) file(name string) string { return filepath.Join(s.Dir, name) }

// begin starts the instance's client and waits until it has a lease.
func (s *scene) begin() {
	s.t.Helper()
	s.start()
	await(s.t, "the instance has a lease", func() bool { return Addr(s.Instance) != "" })
}

func (s *scene) start() {
	s.t.Helper()
	s.client = startClient(s.t, s.Instance, s.Client, clientStart{dir: s.Dir, log: s.file(ClientLog), host: "vm-a"})
}

// fail notes that the failure begins now.
func (s *scene) fail() { s.failed = time.Now() }

// watch lets the failure show. Udhcpc knows no other time of renewal than half
// of a lease, and none below a minute: where that is too late it is told to
// renew.
func (s *scene) watch() {
	if s.Client == Udhcpc && s.Times != Usual && !s.client.Ended() {
		time.AfterFunc(time.Duration(s.Times.Renew)*time.Second, func() { _ = s.client.Process.Signal(syscall.SIGUSR1) })
	}
	time.Sleep(s.Times.Watch)
}

// ping sends echo requests from one namespace to an address, until the end.
func (s *scene) ping(every float64) *lab.Process {
	s.t.Helper()
	return lab.StartCmd(s.t, Command(s.Instance, "ping", "-n", "-i", fmt.Sprint(every), ServerAddr))
}

func contains(b []byte, word string) bool { return bytes.Contains(b, []byte(word)) }
