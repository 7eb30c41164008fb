package dhcp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/stackmend/stackmend/internal/lab"
)

// manyClients is how many instances the benchmarks have.
const manyClients = 100_000

// written writes a file of the benchmark and returns its path and size.
func written(b *testing.B, name string, write func(w *bufio.Writer)) (string, int64) {
	b.Helper()
	path := filepath.Join(b.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	write(w)
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil || f.Close() != nil {
		b.Fatal(err)
	}
	return path, info.Size()
}

// renewals writes what a dnsmasq says of the renewals of many clients.
func renewals(w io.Writer, lines int, logDHCP bool) {
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for i := range lines / 2 {
		if i%333 == 0 { // leases of ten minutes
			at = at.Add(time.Second)
		}
		n := i % manyClients
		mac := fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", n>>16, n>>8&255, n&255)
		head, xid := at.Format("Jan _2 15:04:05")+" net1 dnsmasq-dhcp[270]: ", ""
		if logDHCP {
			xid = fmt.Sprintf("%d ", 1000000000+n)
			fmt.Fprintf(w, "%s%savailable DHCP range: 10.0.0.10 -- 10.3.255.250\n", head, xid)
		}
		fmt.Fprintf(w, "%s%sDHCPREQUEST(tapb50d7951-f3) 10.%d.%d.%d %s \n", head, xid, n>>16, n>>8&255, n&255, mac)
		fmt.Fprintf(w, "%s%sDHCPACK(tapb50d7951-f3) 10.%d.%d.%d %s host-%d\n", head, xid, n>>16, n>>8&255, n&255, mac, n)
		if logDHCP {
			for _, s := range []string{"requested options: 1:netmask, 28:broadcast, 3:router, 6:dns-server, ", "requested options: 26:mtu, 12:hostname", "next server: 10.0.0.1",
				"sent size:  1 option: 53 message-type  5", "sent size:  4 option: 54 server-identifier  10.0.0.1", "sent size:  4 option: 51 lease-time  10m", "sent size:  4 option: 58 T1  5m",
				"sent size:  4 option: 59 T2  8m45s", "sent size:  4 option:  1 netmask  255.252.0.0", "sent size:  4 option: 28 broadcast  10.3.255.255", "sent size:  4 option:  3 router  10.0.0.1"} {
				fmt.Fprintf(w, "%s%s%s\n", head, xid, s)
			}
		}
	}
}

// syslog writes the log of a host on which one line in fifty is of DHCP.
func syslog(w io.Writer, lines int) {
	rnd := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("session opened for user nova by uid INFO connection from port closed request GET 200 HTTP/1.1 rbd ERROR ceph osd heartbeat slow ops")
	var other []string
	for range 4096 {
		line := fmt.Sprintf("Nov 20 10:%02d:%02d node%03d service[%d]:", rnd.IntN(60), rnd.IntN(60), rnd.IntN(300), rnd.IntN(30000))
		for range 4 + rnd.IntN(12) {
			line += " " + words[rnd.IntN(len(words))]
		}
		other = append(other, line+"\n")
	}
	for i := range lines {
		if i%50 == 0 {
			renewals(w, 2, false)
		}
		io.WriteString(w, other[i%len(other)])
	}
}

// BenchmarkReadLog reads logs beside grep -c DHCP.
func BenchmarkReadLog(b *testing.B) {
	lab.Need(b, "grep")
	for name, write := range map[string]func(w *bufio.Writer){
		"dnsmasq":          func(w *bufio.Writer) { renewals(w, 3_000_000, false) },
		"dnsmasq-log-dhcp": func(w *bufio.Writer) { renewals(w, 400_000, true) },
		"syslog":           func(w *bufio.Writer) { syslog(w, 3_000_000) },
	} {
		b.Run(name, func(b *testing.B) {
			path, size := written(b, "x.log", write)
			t := lab.Alternate(b, func() {
				cmd := exec.Command("grep", "-c", "DHCP", path)
				cmd.Env = append(os.Environ(), "LC_ALL=C")
				if out, err := cmd.Output(); err != nil {
					b.Fatal(string(out), err)
				}
			}, func() {
				trace, err := ReadLogFiles(context.Background(), os.DirFS(filepath.Dir(path)), "x.log", Dnsmasq, readAt)
				if err != nil || len(trace.Tracks) == 0 || trace.Unread > 0 && name == "dnsmasq" {
					b.Fatal(trace, err)
				}
			})
			compare(b, size, t, "grep")
		})
	}
}

func compare(b *testing.B, size int64, t []time.Duration, peer string) {
	speed := func(d time.Duration) float64 { return float64(size) / 1e6 / d.Seconds() }
	b.ReportMetric(speed(t[0]), "MB/s-"+peer)
	b.ReportMetric(speed(t[1]), "MB/s")
	b.ReportMetric(speed(t[1])/speed(t[0]), "x-"+peer)
	b.ReportMetric(0, "ns/op")
}

// frameOf builds a frame of DHCP of a client.
func frameOf(n uint32, kind dhcpv4.MessageType) []byte {
	mac := net.HardwareAddr{0xfa, 0x16, 0x3e, byte(n >> 16), byte(n >> 8), byte(n)}
	ip := net.IP{10, byte(n >> 16), byte(n >> 8), byte(n)}
	server, serverMAC := net.IP{10, 0, 0, 1}, net.HardwareAddr{0xfa, 0x16, 0x3e, 0xff, 0, 1}
	m, err := dhcpv4.New(dhcpv4.WithHwAddr(mac), dhcpv4.WithMessageType(kind), dhcpv4.WithTransactionID([4]byte{1, mac[3], mac[4], mac[5]}), dhcpv4.WithClientIP(ip),
		dhcpv4.WithRequestedOptions(dhcpv4.OptionRouter, dhcpv4.OptionSubnetMask), dhcpv4.WithOption(dhcpv4.OptHostName("host")))
	if err != nil {
		return nil
	}
	eth := layers.Ethernet{SrcMAC: mac, DstMAC: serverMAC, EthernetType: layers.EthernetTypeIPv4}
	ip4 := layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: ip, DstIP: server}
	udp := layers.UDP{SrcPort: 68, DstPort: 67}
	if kind == dhcpv4.MessageTypeAck {
		m.OpCode, m.YourIPAddr = dhcpv4.OpcodeBootReply, ip
		m.UpdateOption(dhcpv4.OptIPAddressLeaseTime(10 * time.Minute))
		m.UpdateOption(dhcpv4.OptServerIdentifier(server))
		eth.SrcMAC, eth.DstMAC, ip4.SrcIP, ip4.DstIP, udp.SrcPort, udp.DstPort = serverMAC, mac, server, ip, 67, 68
	}
	_ = udp.SetNetworkLayerForChecksum(&ip4)
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, &eth, &ip4, &udp, gopacket.Payload(m.ToBytes())); err != nil {
		return nil
	}
	return buf.Bytes()
}

// traffic writes a capture of which every which-th frame is of DHCP.
func traffic(w io.Writer, frames, every int) {
	p := pcapgo.NewWriter(w)
	_ = p.WriteFileHeader(65535, layers.LinkTypeEthernet)
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	tcp := make([]byte, 600)
	copy(tcp, []byte{0xfa, 0x16, 0x3e, 0, 0, 7, 0xfa, 0x16, 0x3e, 0, 0, 9, 8, 0, 0x45, 0, 2, 0x4a, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 7, 10, 0, 0, 9, 0x1f, 0x90, 0, 80})
	for i := range frames {
		at = at.Add(50 * time.Microsecond)
		frame := tcp
		if i%every == 0 {
			frame = frameOf(uint32(i/every/2%manyClients), []dhcpv4.MessageType{dhcpv4.MessageTypeRequest, dhcpv4.MessageTypeAck}[i/every%2])
		} else {
			tcp[5], tcp[11] = byte(i>>3), byte(i>>4)
		}
		_ = p.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(frame), Length: len(frame)}, frame)
	}
}

// BenchmarkReadCapture reads captures beside tshark -Y dhcp.
func BenchmarkReadCapture(b *testing.B) {
	lab.Need(b, "tshark")
	for _, c := range []struct {
		name          string
		frames, every int
	}{{"one-in-a-hundred", 300_000, 100}, {"all-dhcp", 60_000, 1}} {
		b.Run(c.name, func(b *testing.B) {
			path, size := written(b, "x.pcap", func(w *bufio.Writer) { traffic(w, c.frames, c.every) })
			t := lab.Alternate(b, func() {
				cmd := exec.Command("tshark", "-n", "-r", path, "-Y", "dhcp")
				if err := cmd.Run(); err != nil {
					b.Fatal(err)
				}
			}, func() {
				f, err := os.Open(path)
				if err != nil {
					b.Fatal(err)
				}
				defer f.Close()
				trace, err := ReadCapture(context.Background(), f, "x", ServerCapture, readAt)
				if err != nil || trace.Units != int64(c.frames) || trace.Unread > 0 || len(trace.Tracks) < c.frames/c.every/4 {
					b.Fatal(trace.Units, trace.Unread, len(trace.Tracks), err)
				}
			})
			compare(b, size, t, "tshark")
		})
	}
}
