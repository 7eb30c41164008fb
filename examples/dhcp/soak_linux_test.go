package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
	labdhcp "github.com/stackmend/stackmend/internal/lab/dhcp"
)

// A loaded instance has a lease, and an iperf3 server.
type loaded struct {
	*labdhcp.Wire
	t      *testing.T
	dir    string
	client *lab.Process
	flag   string // of the server's log
}

func newLoaded(t *testing.T, server, flag string) *loaded {
	lab.Need(t, "iperf3")
	l := &loaded{Wire: labdhcp.NewWire(t, ""), t: t, dir: t.TempDir(), flag: flag}
	labdhcp.StartServer(t, l.Server, server, l.file("server.log"), labdhcp.Quick)
	l.client = labdhcp.StartClient(t, l.Instance, labdhcp.Dhclient, l.file("client.log"))
	lab.StartCmd(t, labdhcp.Command(l.Instance, "iperf3", "-s"))
	time.Sleep(12 * time.Second) // until when the lease counts as taken
	return l
}

func (l *loaded) file(name string) string { return filepath.Join(l.dir, name) }

func (l *loaded) args(more ...string) []string {
	return append([]string{l.flag, l.file("server.log"), "-until", "now", "-mac", labdhcp.InstanceMAC, "-soak-rate", "1MiB", "-soak-book", l.file("book"),
		"-journal", l.file("journal"), "-iperf3", strings.Join(labdhcp.Command(l.Server, "iperf3").Args, " ")}, more...)
}

// book lists the steps that were carried whole, and the break.
func (l *loaded) book() (steps []string, bytesSum int64, broken entry) {
	b, _ := os.ReadFile(l.file("book"))
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		var e entry
		if d.Decode(&e) != nil {
			return steps, bytesSum, broken
		}
		if e.Break != "" {
			broken = e
			continue
		}
		steps = append(steps, e.Step)
		bytesSum += e.Bytes
	}
}

// TestSoak: a soak that is killed and resumed carries what was left, and no
// more; a link that goes down and a client that dies end it, at their time.
func TestSoak(t *testing.T) {
	t.Parallel()
	t.Run("killed and resumed", func(t *testing.T) { t.Parallel(); soakResumed(t) })
	t.Run("the link goes down", func(t *testing.T) { t.Parallel(); soakBroken(t) })
	t.Run("the client dies", func(t *testing.T) { t.Parallel(); soakUnrenewed(t) })
}

func soakResumed(t *testing.T) {
	l := newLoaded(t, labdhcp.Dnsmasq, "-dnsmasq")
	program := l.file("dhcp")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	soak := l.args("-soak", "20s", "-soak-step", "4s")
	if status, out, errs := run(t.Context(), soak...); status != 0 || !strings.Contains(out, "5 steps") {
		t.Fatalf("dry: status %d\n%s%s", status, out, errs)
	}
	if steps, _, _ := l.book(); len(steps) > 0 {
		t.Fatalf("a dry run has carried %q", steps)
	}
	first := lab.Start(t, program, append(soak, "-apply")...)
	first.Until(t, "two steps carried", func() bool { steps, _, _ := l.book(); return len(steps) == 2 })
	time.Sleep(time.Second)
	first.Stop()
	began := time.Now()
	out, err := exec.Command(program, l.args("-resume", "-apply")...).CombinedOutput()
	steps, sum, broken := l.book()
	if want := []string{"1/5", "2/5", "3/5", "4/5", "5/5"}; err != nil || !slices.Equal(steps, want) || broken.Break != "" {
		t.Errorf("%v: carried %q, want %q\n%s", err, steps, want, out)
	}
	if took := time.Since(began); took < 11*time.Second || took > time.Minute {
		t.Errorf("the three steps that were left took %v", took)
	}
	if least := int64(20 << 20); sum < least || !strings.Contains(string(out), "soak 5/5: held after 20s of load") {
		t.Errorf("%d bytes, want %d at least\n%s", sum, least, out)
	}
}

func soakBroken(t *testing.T) {
	l := newLoaded(t, labdhcp.Dnsmasq, "-dnsmasq")
	var down time.Time
	time.AfterFunc(13*time.Second, func() {
		down = time.Now()
		l.Compute.Run("ip", "link", "set", "tapcli", "down")
	})
	status, out, errs := run(t.Context(), l.args("-soak", "2m", "-soak-step", "8s", "-apply")...)
	ended := time.Since(down)
	steps, _, broken := l.book()
	if status != 5 || !strings.Contains(out+errs, "the traffic stopped") || len(steps) != 1 || broken.Step != "2/15" {
		t.Errorf("status %d, carried %q, broken %+v\n%s%s", status, steps, broken, out, errs)
	}
	if ended > 40*time.Second {
		t.Errorf("it was found after %v", ended)
	}
	at := regexp.MustCompile(`broken at (\S+):`).FindStringSubmatch(out + errs)
	if at == nil {
		t.Fatalf("no time\n%s%s", out, errs)
	}
	when, err := time.Parse(time.RFC3339, at[1])
	if off := when.Sub(down); err != nil || off < -4*time.Second || off > 4*time.Second {
		t.Errorf("the link went down at %v, told is %v: %v", down.UTC(), when, err)
	}
}

func soakUnrenewed(t *testing.T) {
	l := newLoaded(t, labdhcp.Kea, "-kea")
	l.client.Stop()
	status, out, errs := run(t.Context(), l.args("-soak", "3m", "-soak-step", "90s", "-apply")...)
	if steps, _, broken := l.book(); status == 0 || !strings.Contains(out+errs, "the lease was not renewed") || len(steps) > 0 || broken.Bytes == 0 {
		t.Errorf("status %d, carried %q, broken %+v\n%s%s", status, steps, broken, out, errs)
	}
}
