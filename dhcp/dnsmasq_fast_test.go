package dhcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stackmend/stackmend/internal/logtail"
)

// bothWays reads a log the short way, in pieces of any size, and the long way,
// which must agree. It returns how many bytes were read the short way.
func bothWays(t *testing.T, in []byte, f Format) (short int) {
	t.Helper()
	want := asJSON(t, readSlowly(t, string(in), "x", f, readAt))
	for _, piece := range []int{len(in) + 1, 1000, 77} {
		pieces := &inPieces{in, piece}
		trace, err := ReadLog(t.Context(), pieces, "x", f, readAt)
		if err != nil {
			t.Fatal(err)
		}
		if got := asJSON(t, trace); got != want {
			t.Fatalf("%s, %d bytes at once, of\n%s-short way, +long way:\n%s", f, piece, in, cmp.Diff(got, want))
		}
	}
	return shortWay(in, f)
}

// inPieces gives a few bytes at once.
type inPieces struct {
	in []byte
	n  int
}

func (p *inPieces) Read(b []byte) (int, error) {
	if len(p.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.n)], p.in)
	p.in = p.in[n:]
	return n, nil
}

func asJSON(t *testing.T, trace *Trace) string {
	t.Helper()
	b, err := json.MarshalIndent(trace, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// shortWay is how many bytes of a log are read the short way.
func shortWay(in []byte, f Format) (short int) {
	s := newScanner(newLogReader("x", f, readAt))
	if !s.short {
		return 0
	}
	o := logtail.Options{MaxLine: maxLine, Match: s.look, Take: func(text []byte, before int64) (int, int64) {
		n, lines := s.take(text, before)
		short += n
		return n, lines
	}}
	s.scan = logtail.NewScanner(o)
	s.read(&batch{text: in[:bytes.LastIndexByte(in, '\n')+1]})
	return short
}

// someLog writes lines as dnsmasq does, some of them damaged.
func someLog(rnd *rand.Rand) []byte {
	pick := func(all ...string) string { return all[rnd.IntN(len(all))] }
	var b bytes.Buffer
	second, xid := 0, "1000000000"
	for range 4 + rnd.IntN(60) {
		if rnd.IntN(4) == 0 {
			second += rnd.IntN(100)
			xid = pick("1000000000", "1000000001", "1000000002", "77", "4294967295", "4294967296", "0", "00000000077", "7x")
		}
		stamp := fmt.Sprintf("Nov %2d %02d:%02d:%02d", 7+second/86400, second/3600%24, second/60%60, second%60)
		if rnd.IntN(20) == 0 {
			stamp = pick("Nov 31 10:00:00", "Xyz 20 10:00:00", "Nov 20 99:00:00", "Nov 20 10:00:0", "Feb 29 10:00:00", "Dec 31 23:59:60", "DHCP 0 10:00:00", "2026-11-20T00:00:01", "Nov 2 10:00:00.")
		}
		head := stamp + " " + "net1 dnsmasq-dhcp[270]: "
		if rnd.IntN(3) == 0 {
			head = stamp + " " + pick("net1 ", "net1 ", "net1 ", "", "DHCP ", "2026 ", "UTC ") + pick("dnsmasq-dhcp[270]: ", "dnsmasq-dhcp[31]: ", "dnsmasq[270]: ", "dnsmasq-dhcp: ", "dhclient[7]: ", "other[1]: ", "")
		}
		if rnd.IntN(2) == 0 {
			head += xid + " "
		}
		mac := pick("fa:16:3e:00:00:01", "FA:16:3e:00:00:02", "06-fa:16:3e:00:00:03", "fa:16:3e:00:00:0g", "fa:16:3e:00:00:04", "fa:16:3e:00:00")
		ip := pick("10.0.0.7 ", "10.0.0.7 ", "10.0.0.8 ", "", "10.0.0.256 ", "10.0.0.7/24 ", "010.0.0.007 ", "0010.0.0.1 ", "10.0.0 ", " 10.0.0.9 ")
		line := head + pick(
			"DHCPREQUEST("+pick("tap1", "tap1", "tap2", "")+") "+ip+mac+pick(" ", "", " wrong network", " no address available"),
			"DHCPACK("+pick("tap1", "tap2")+") "+ip+mac+pick(" host-1", " host-1", " host-2", "", " ", " \xff\xfe", " a b  ", "x", "  \u00a0"),
			"DHCPDISCOVER(tap1) "+ip+mac+pick(" ", "", " no address available"), "DHCPOFFER(tap1) "+ip+mac+pick(" ", "", " no leases left"),
			"DHCPNAK(tap1) "+ip+mac+" wrong address", "DHCPRELEASE(tap1) "+ip+mac, "DHCP, IP range 10.0.0.2 -- 10.0.0.50, lease time 2m", "DHCPBOGUS(tap1) "+ip+mac,
			"client provides name: "+pick("vm-a", "vm-b", "", "\xff", " x ", strings.Repeat("long", 80)), "sent size:  4 option: 51 lease-time  "+pick("10m", "2h", "infinite", "x"),
			"sent size:  4 option: 58 T1  5m", "sent size:  4 option: 59 T2  8m45s", "sent size:  4 option: 5"+pick("", "3", "4 x"), "sent size:  4 option:  3 router  10.0.0.1",
			"sent size:  4 option: 12 hostname  DHCP", "requested options: 1:netmask, 28:broadcast", "available DHCP range: 10.0.0.10 -- 10.0.0.50", "tags: tap1, known", "next server: DHCP",
			"next server: 10.0.0.1", "started, version 2.90 cachesize 150", "exiting on receipt of SIGTERM", "no address range available for DHCP request via tap1", "vendor class: DHCP", " DHCPACK(tap1)", "")
		if rnd.IntN(20) == 0 && len(line) > 0 {
			line = line[:rnd.IntN(len(line))]
		}
		if rnd.IntN(60) == 0 {
			line = "\x00\x00" + line
		}
		if rnd.IntN(200) == 0 {
			line += strings.Repeat(" y", maxLine/2)
		}
		b.WriteString(line + pick("\n", "\n", "\n", "\n", "\n", "\n", "\n", "\r\n"))
	}
	return b.Bytes()[:b.Len()-rnd.IntN(2)]
}

// TestShortWay: what is read the short way is what the long way reads, of
// lines in all forms and damages, and of all recorded logs. Many of a busy
// server's are read so.
func TestShortWay(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	short, all := 0, 0
	for range 300 {
		in := someLog(rnd)
		for _, f := range []Format{Dnsmasq, Auto, Dhcpd} {
			short += bothWays(t, in, f)
			all += len(in)
		}
	}
	if short < all/20 {
		t.Errorf("%d of %d bytes of damaged lines are read the short way", short, all)
	}
	for _, torn := range []string{"net1\nx dnsmasq-dhcp[270]: ", "net1 dnsmasq-dhcp[2\n70]: ", "net1 dnsmasq-dhcp[270]: 1\n2 "} {
		for _, f := range []Format{Dnsmasq, Auto} {
			bothWays(t, []byte("Nov 20 10:00:00 "+torn+"DHCPREQUEST(tap1) 10.0.0.7 fa:16:3e:00:00:01 \n"), f)
		}
	}
	_ = filepath.WalkDir("testdata", func(path string, _ os.DirEntry, err error) error {
		if b, e := os.ReadFile(path); err == nil && e == nil && strings.HasSuffix(path, ".log") {
			bothWays(t, b, Dnsmasq)
			bothWays(t, b, Auto)
		}
		return err
	})
	for _, logDHCP := range []bool{false, true} {
		var b bytes.Buffer
		renewals(&b, 4000, logDHCP)
		if n := bothWays(t, b.Bytes(), Dnsmasq); n < b.Len()*9/10 {
			t.Errorf("%d of %d bytes are read the short way", n, b.Len())
		}
	}
}

func FuzzShortWay(f *testing.F) {
	rnd := rand.New(rand.NewPCG(11, 12))
	for range 20 {
		f.Add(someLog(rnd), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, dnsmasq bool) {
		if len(in) > 4 && (in[0] == 0x1f || in[0] == 0x28 || in[0] == 0xfd || in[0] == 'B') {
			return
		}
		format := Auto
		if dnsmasq {
			format = Dnsmasq
		}
		bothWays(t, in, format)
	})
}
