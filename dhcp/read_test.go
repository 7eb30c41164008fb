package dhcp

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/stackmend/stackmend"
)

func readLog(t testing.TB, f Format, text string) *Trace {
	t.Helper()
	trace, err := ReadLog(t.Context(), strings.NewReader(text), "x.log", f, readAt)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

// show writes events in short.
func show(trace *Trace) (out []string) {
	for _, t := range trace.Tracks {
		for _, e := range t.Events.List() {
			text := e.Kind.String()
			if e.Cast == Unicast {
				text += " uc"
			}
			if e.Addr != (IPv4{}) {
				text += " " + e.Addr.String()
			}
			if e.XID != 0 {
				text += fmt.Sprintf(" %#x", e.XID)
			}
			out = append(out, text)
		}
	}
	return out
}

// TestFormats reads a line of each kind, in the words of each program's
// source; the recordings under testdata hold whole conversations.
func TestFormats(t *testing.T) {
	for _, c := range []struct {
		format Format
		line   string
		want   string
	}{
		{Dnsmasq, "Jan  1 14:39:05 dnsmasq-dhcp[270]: DHCPREQUEST(tapb50d7951-f3) 10.0.0.161 fa:16:3e:97:03:61 ", "DHCPREQUEST 10.0.0.161"},
		{Dnsmasq, "Jan  1 14:39:05 net1 dnsmasq-dhcp[270]: 3305832257 DHCPNAK(eth0) 10.9.9.9 fa:16:3e:24:e7:22 wrong network", "DHCPNAK 10.9.9.9 0xc50aff41"},
		{Dnsmasq, "2026-11-22T08:27:02.123456+00:00 net1 dnsmasq-dhcp[270]: DHCPDISCOVER(eth0) fa:16:3e:24:e7:22 no address available", "no address"},
		{Dnsmasq, `{"MESSAGE":"DHCPACK(eth0) 10.2.0.21 fa:16:3e:24:e7:22 vm","SYSLOG_IDENTIFIER":"dnsmasq-dhcp","__REALTIME_TIMESTAMP":"1763800000000000"}`, "DHCPACK 10.2.0.21"},
		{Dnsmasq, "<30>1 2026-11-22T08:27:02Z net1 dnsmasq-dhcp 270 - - DHCPOFFER(eth0) 10.2.0.21 fa:16:3e:24:e7:22", "DHCPOFFER 10.2.0.21"},
		{Dhcpd, "Nov 22 08:27:02 s dhcpd[1]: DHCPREQUEST for 10.2.0.21 (10.2.0.1) from fa:16:3e:24:e7:22 (vm-a) via eth0", "DHCPREQUEST 10.2.0.21"},
		{Dhcpd, "Nov 22 08:27:02 s dhcpd[1]: DHCPACK on 10.2.0.21 to fa:16:3e:24:e7:22 (vm-a) via eth0", "DHCPACK 10.2.0.21"},
		{Dhcpd, "Nov 22 08:27:02 s dhcpd[1]: DHCPDISCOVER from fa:16:3e:24:e7:22 via eth0: network 10.2.0.0/24: no free leases", "no address"},
		{Kea, "2026-11-22 08:27:02.123 INFO  [kea-dhcp4.leases/12.34] DHCP4_LEASE_ALLOC [hwtype=1 fa:16:3e:24:e7:22], cid=[no info], tid=0x5b3c: lease 10.2.0.21 has been allocated for 120 seconds", "DHCPREQUEST 10.2.0.21 0x5b3c"},
		{Dhclient, "Nov 22 08:27:02 inst dhclient[1]: DHCPREQUEST for 10.2.0.21 on eth0 to 10.2.0.1 port 67 (xid=0x3c5b0000)", "DHCPREQUEST uc 10.2.0.21 0x3c5b0000"},
		{Dhclient, "DHCPDISCOVER on eth0 to 255.255.255.255 port 67 interval 3", "DHCPDISCOVER"},
		{Dhclient, "Nov 22 08:27:02 inst dhclient[1]: 5 bad udp checksums in 5 packets", "bad checksum"},
		{Dhcpcd, "Nov 22 08:27:02 inst dhcpcd[1]: eth0: leased 10.2.0.21 for 120 seconds", "bound 10.2.0.21"},
		{Dhcpcd, "Nov 22 08:27:02 inst dhcpcd[1]: eth0: sending REQUEST (xid 0x5b3c), next in 3.9 seconds", "DHCPREQUEST 0x5b3c"},
		{Udhcpc, "udhcpc: lease of 10.2.0.21 obtained from 10.2.0.1, lease time 120", "bound 10.2.0.21"},
		{Udhcpc, "Nov 22 08:27:02 inst udhcpc[1]: sending renew to server 10.2.0.1", "DHCPREQUEST uc"},
		{Networkd, "Nov 22 08:27:02 inst systemd-networkd[1]: eth0: DHCPv4 address 10.2.0.21/24, gateway 10.2.0.1 acquired from 10.2.0.1", "bound 10.2.0.21"},
		{Networkd, "Nov 22 08:27:02 inst systemd-networkd[1]: eth0: DHCPv4 client: REQUEST (renewing)", "DHCPREQUEST uc"},
		{Console, "[   12.500000] udhcpc: sending select for 10.2.0.21", "DHCPREQUEST 10.2.0.21"},
		{Console, "[   99.500000] kernel: Out of memory: Killed process 812 (dhclient) total-vm:1kB", "client ended"},
	} {
		got := show(readLog(t, c.format, c.line+"\n"))
		if len(got) == 0 || got[0] != c.want {
			t.Errorf("%s: %q\n%q, want %q", c.format, c.line, got, c.want)
		}
		if c.format != Console && c.format != Udhcpc && c.format != Dhclient {
			if auto := show(readLog(t, Auto, c.line+"\n")); !slices.Equal(auto, got) {
				t.Errorf("by the program's name alone: %q, want %q", auto, got)
			}
		}
	}
}

// TestShortcut: what is read by the beginning of the line before is what is
// read without it.
func TestShortcut(t *testing.T) {
	b, err := os.ReadFile("testdata/dhclient/normal-nologdhcp/dnsmasq.log")
	if err != nil {
		t.Fatal(err)
	}
	whole := readLog(t, Dnsmasq, strings.Repeat(string(b), 3))
	var apart []string
	for range 3 {
		for line := range strings.Lines(string(b)) {
			if !strings.Contains(line, "DHCP") {
				continue
			}
			one := readLog(t, Dnsmasq, line)
			apart = append(apart, show(one)...)
		}
	}
	if got := show(whole); !slices.Equal(got, apart) || len(got) < 10 {
		t.Errorf("%q, want %q", got, apart)
	}
}

// TestRotated: a log over files, one of them compressed, over the turn of a
// year; and cut lines are not read.
func TestRotated(t *testing.T) {
	var old bytes.Buffer
	z := gzip.NewWriter(&old)
	fmt.Fprintln(z, "Dec 31 23:59:00 n dnsmasq-dhcp[1]: DHCPREQUEST(eth0) 10.2.0.21 fa:16:3e:24:e7:22 ")
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	o := ReadOptions{Now: time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC)}
	trace, err := ReadLogFiles(t.Context(), fstest.MapFS{
		"d.log.1.gz": {Data: old.Bytes()},
		"d.log":      {Data: []byte("Jan  1 00:01:00 n dnsmasq-dhcp[1]: DHCPACK(eth0) 10.2.0.21 fa:16:3e:24:e7:22 vm\nJan  1 00:02:00 n dnsmasq-dhcp[1]: DHCPACK(eth0) 10.2.0.2")},
	}, "d.log", Dnsmasq, o)
	if err != nil || len(trace.Tracks) != 1 || trace.Tracks[0].Events.Len() != 2 || trace.Unread != 1 {
		t.Fatalf("%+v %v", trace, err)
	}
	if gap := trace.Until.Sub(trace.From); gap != 2*time.Minute {
		t.Error(gap)
	}
}

// TestBounded: more clients than there may be are counted, and many events of
// one client keep those around the break.
func TestBounded(t *testing.T) {
	var text strings.Builder
	for i := range 300 {
		fmt.Fprintf(&text, "Nov 20 10:%02d:%02d n dnsmasq-dhcp[1]: DHCPREQUEST(eth0) 10.2.0.21 fa:16:3e:00:00:01 \n", i/60, i%60)
		fmt.Fprintf(&text, "Nov 20 10:%02d:%02d n dnsmasq-dhcp[1]: DHCPREQUEST(eth0) 10.2.1.1 fa:16:3e:01:%02x:%02x \n", i/60, i%60, i>>8, i&255)
	}
	o := readAt
	o.MaxClients = 10
	trace, err := ReadLog(t.Context(), strings.NewReader(text.String()), "x", Dnsmasq, o)
	if err != nil || len(trace.Tracks) != 10 || len(trace.Unseen) != 1 {
		t.Fatalf("%d tracks, %q, %v", len(trace.Tracks), trace.Unseen, err)
	}
	one := trace.Tracks[0]
	events := one.Events.List()
	if n := len(events); n > MaxEvents || int64(n)+one.Left != 300 || !events[0].Time.Equal(trace.From) {
		t.Errorf("%d kept, %d not, from %v", n, one.Left, events[0].Time)
	}
}

// TestPackets holds the reader of messages to dhcpv4's, over all recordings.
func TestPackets(t *testing.T) {
	files, err := filepath.Glob("testdata/dhclient/*/*.pcap")
	if err != nil || len(files) < 20 {
		t.Fatal(len(files), err)
	}
	n := 0
	for _, path := range files {
		for _, b := range payloads(t, path) {
			n++
			comparePacket(t, b)
		}
	}
	if n < 300 {
		t.Errorf("only %d messages", n)
	}
}

func payloads(t testing.TB, path string) (out [][]byte) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p, err := openPackets(file, path)
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, info, err := p.next()
		if err != nil {
			return out
		}
		var f frame
		if f.ethernet(data, p.link(info)) && f.class() == isDHCP {
			out = append(out, bytes.Clone(f.udp[8:]))
		}
	}
}

// comparePacket: what the library reads of a whole message, we read the same;
// it takes other operations than BOOTREQUEST and BOOTREPLY, too.
func comparePacket(t testing.TB, b []byte) {
	theirs, err := dhcpv4.FromBytes(b)
	if err != nil || b[0] != 1 && b[0] != 2 || theirs.HWType != 1 || len(theirs.ClientHWAddr) != 6 || theirs.MessageType() == dhcpv4.MessageTypeNone || theirs.MessageType() > 8 || len(theirs.Options[53]) != 1 {
		return
	}
	ours, ok := parsePacket(b)
	if !ok {
		t.Fatalf("not read: %v", theirs)
	}
	if messageKinds[theirs.MessageType()] != ours.kind || [4]byte(theirs.TransactionID) != [4]byte{byte(ours.xid >> 24), byte(ours.xid >> 16), byte(ours.xid >> 8), byte(ours.xid)} ||
		!bytes.Equal(theirs.ClientHWAddr, ours.mac[:]) || !theirs.YourIPAddr.Equal(ours.yiaddr[:]) {
		t.Fatalf("%+v, want %v", ours, theirs)
	}
}

// TestDamaged: what stands before the damage is read, and the damage is told.
func TestDamaged(t *testing.T) {
	b, err := os.ReadFile("testdata/dhclient/normal/server.pcap")
	if err != nil {
		t.Fatal(err)
	}
	trace, err := ReadCapture(t.Context(), bytes.NewReader(b[:len(b)-10]), "x", ServerCapture, readAt)
	if err != nil || len(trace.Unseen) != 1 || len(trace.Tracks) == 0 {
		t.Errorf("%+v %v", trace, err)
	}
	if _, err := ReadCapture(t.Context(), strings.NewReader("no capture at all, this is"), "x", ServerCapture, readAt); err == nil {
		t.Error("no error")
	}
	if _, err := ReadCapture(t.Context(), bytes.NewReader(b), "x", ServerLog, readAt); err == nil {
		t.Error("a log's point was taken")
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := ReadCapture(ctx, bytes.NewReader(b), "x", ServerCapture, readAt); err == nil {
		t.Error("a cancelled reading had no error")
	}
}

// TestFollow: what is appended is told, over a rotation.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "d.log")
	write := func(line string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.WriteString(line + "\n")
		}
		if err != nil || f.Close() != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	events := make(chan int, 1000)
	done := make(chan error, 1)
	go func() {
		done <- FollowLog(ctx, os.DirFS(dir), "d.log", Dnsmasq, readAt, 10*time.Millisecond, func(trace *Trace) { events <- len(show(trace)) })
	}()
	want := func(n int) {
		t.Helper()
		for got := range events {
			if got == n {
				return
			}
		}
	}
	write("Nov 20 10:00:00 n dnsmasq-dhcp[1]: DHCPREQUEST(eth0) 10.2.0.21 fa:16:3e:00:00:01 ")
	want(1)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("Nov 20 10:00:01 n dnsmasq-dhcp[1]: DHCPACK(eth0) 10.2.0.21 fa:16:3e:00:00:01 vm")
	want(2)
	stop()
	if err := <-done; err == nil {
		t.Error("following ended without the context's error")
	}
}

// TestHost reads a node's files, and names the culprits in them.
func TestHost(t *testing.T) {
	root := fstest.MapFS{
		"proc/100/cmdline":                         {Data: []byte("/usr/bin/qemu-system-x86_64\x00-name\x00guest=instance-1,debug-threads=on\x00-netdev\x00tap,fd=3,id=hostnet0\x00-device\x00virtio-net-pci,netdev=hostnet0,mac=fa:16:3e:01:02:03\x00")},
		"proc/200/cmdline":                         {Data: []byte("dnsmasq\x00--interface=br100\x00--dhcp-authoritative\x00")},
		"proc/201/cmdline":                         {Data: []byte("dnsmasq\x00--interface=br100\x00--dhcp-authoritative\x00")},
		"sys/class/net/tap1/statistics/tx_packets": {Data: []byte("1000\n")},
		"sys/class/net/tap1/statistics/tx_dropped": {Data: []byte("400\n")},
		"sys/class/net/tap1/statistics/rx_packets": {Data: []byte("1\n")},
		"sys/class/net/tap1/statistics/rx_dropped": {Data: []byte("x\n")},
		"var/log/libvirt/qemu/instance-1.log":      {Data: []byte("2012-05-11: starting up libvirt version: 0.9.8, qemu version: 1.0.0, kernel\n")},
	}
	h, err := ObserveHost(t.Context(), root, "c01")
	if err != nil || len(h.Guests) != 1 || h.Guests[0].Version != "1.0.0" || len(h.Unseen) != 1 {
		t.Fatalf("%+v %v", h, err)
	}
	s := &Snapshot{Traces: []*Trace{trace(ClientLog, script(lease+unasked))}, Host: h, Instances: []Instance{{MAC: client, Tap: "tap1"}}}
	var got []string
	for _, f := range Check(s).Findings {
		if f.Code == CodeCulprit {
			got = append(got, f.Status.String()+" "+f.Subject)
		}
	}
	if want := []string{"warn tap1", "warn qemu instance-1", "warn qemu instance-1", "ok dnsmasq br100"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestDiagram: the break is marked, and names from outside are harmless.
func TestDiagram(t *testing.T) {
	s := load(t, "testdata/dhclient/server-down", "SC")
	for c := range Converse(s) {
		var text, picture strings.Builder
		if err := WriteDiagram(&text, c); err != nil {
			t.Fatal(err)
		}
		if err := WriteDiagramSVG(&picture, c); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text.String(), "==== the break") || !strings.Contains(text.String(), "X") || !strings.Contains(picture.String(), "the break") {
			t.Error(text.String())
		}
	}
	hostile := trace(ClientLog, script(lease+"N500"))
	events := hostile.Tracks[0].Events.List()
	events[4].Reason = "\x1b[2J</text><script>"
	hostile.Tracks[0].Events = EventsOf(events)
	for c := range Converse(&Snapshot{Traces: []*Trace{hostile}}) {
		var b strings.Builder
		if err := WriteDiagram(&b, c); err != nil || strings.Contains(b.String(), "\x1b") {
			t.Errorf("%q %v", b.String(), err)
		}
	}
}

func FuzzLog(f *testing.F) {
	for _, name := range []string{"nak-wrong-network/dnsmasq.log", "server-down/dhclient.log"} {
		b, err := os.ReadFile("testdata/dhclient/" + name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.Lines(b) {
			f.Add(line, uint8(len(line)))
		}
	}
	formats := []Format{Auto, Dnsmasq, Dhcpd, Kea, Dhclient, Dhcpcd, Udhcpc, Networkd, Console}
	f.Fuzz(func(t *testing.T, in []byte, which uint8) {
		if len(in) > 4 && (in[0] == 0x1f || in[0] == 0x28 || in[0] == 0xfd || in[0] == 'B') {
			return // compressed: logtail's to test
		}
		trace, err := ReadLog(t.Context(), bytes.NewReader(in), "x", formats[int(which)%len(formats)], readAt)
		if err != nil {
			t.Fatal(err)
		}
		judged(t, &Snapshot{Traces: []*Trace{trace}})
	})
}

func FuzzCapture(f *testing.F) {
	for _, name := range []string{"nak-wrong-network/server.pcap", "duplicate-mac/client.pcap"} {
		b, err := os.ReadFile("testdata/dhclient/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 1<<16 || bytes.HasPrefix(in, []byte("\x1f\x8b")) || bytes.HasPrefix(in, []byte("\x28\xb5\x2f\xfd")) || bytes.HasPrefix(in, []byte("BZh")) {
			return
		}
		trace, err := ReadCapture(t.Context(), bytes.NewReader(in), "x", TapCapture, readAt)
		if err == nil {
			judged(t, &Snapshot{Traces: []*Trace{trace}})
		}
	})
}

func FuzzPacket(f *testing.F) {
	for _, b := range payloads(f, "testdata/dhclient/nak-wrong-network/server.pcap") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) { comparePacket(t, in) })
}

// judged: whatever was read can be judged and drawn.
func judged(t *testing.T, s *Snapshot) {
	for _, v := range Judge(s) {
		if v.Code == "" || v.Code == Healthy && v.Status != stackmend.OK {
			t.Fatalf("%+v", v)
		}
	}
	for c := range Converse(s) {
		var b bytes.Buffer
		if err := WriteDiagram(&b, c); err != nil {
			t.Fatal(err)
		}
	}
}
