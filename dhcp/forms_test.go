package dhcp_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stackmend/stackmend/internal/lab"
)

// TestForms: recordings have the same verdict as pcapng, cut, and with their
// frames within VLANs or through a relay.
func TestForms(t *testing.T) {
	lab.Need(t, "editcap")
	for form, change := range map[string]func(t *testing.T, from, to string){
		"pcapng":      edited("-F", "pcapng"),
		"snaplen 320": edited("-s", "320"),
		"VLAN":        rewritten(func(b []byte) []byte { return slices.Insert(b, 12, 0x81, 0, 0, 100) }),
		"two VLANs":   rewritten(func(b []byte) []byte { return slices.Insert(b, 12, 0x88, 0xa8, 0, 20, 0x81, 0, 0, 100) }),
		"relayed":     relayed,
	} {
		for _, play := range []string{"normal", "replies-dropped", "rx-dead", "requests-dropped", "server-down"} {
			t.Run(form+"/"+play, func(t *testing.T) {
				from, to := "testdata/lab/dhcpcd-kea/"+play, t.TempDir()
				for _, r := range "sct" {
					change(t, filepath.Join(from, side[r].file), filepath.Join(to, side[r].file))
				}
				v := verdictOf(t, to, "sct", recordedUntil(t, from))
				if want := plays[play].code; v.Code != want {
					t.Errorf("want %s\n%s", want, describe(v))
				}
			})
		}
	}
}

// edited has Wireshark's editcap rewrite a capture.
func edited(arg ...string) func(t *testing.T, from, to string) {
	return func(t *testing.T, from, to string) {
		t.Helper()
		if out, err := exec.Command("editcap", append(arg, from, to)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}

// rewritten changes each frame of a capture.
func rewritten(change func([]byte) []byte) func(t *testing.T, from, to string) {
	return func(t *testing.T, from, to string) {
		t.Helper()
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		in, err := pcapgo.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		w := pcapgo.NewWriter(&out)
		if err := w.WriteFileHeader(1<<16, in.LinkType()); err != nil {
			t.Fatal(err)
		}
		for {
			frame, info, err := in.ReadPacketData()
			if err != nil {
				break
			}
			frame = change(frame)
			if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: info.Timestamp, CaptureLength: len(frame), Length: len(frame)}, frame); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(to, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// relayed has the server's capture as behind a relay, which takes broadcasts
// to the server, with its own addresses, and answers to them back (RFC 1542,
// 4.1). UDP checksums are left out.
func relayed(t *testing.T, from, to string) {
	t.Helper()
	relay := []byte{0x02, 0, 0, 0, 0, 0xfe}
	server := filepath.Base(from) == side['s'].file
	through := map[string]bool{} // transactions that were last sent by broadcast
	rewritten(func(b []byte) []byte {
		const udp, message = 14 + 20, 14 + 20 + 8
		if !server || len(b) < message+240 || b[12] != 8 || b[13] != 0 || b[23] != 17 || b[udp+1] != 67 && b[udp+1] != 68 {
			return b
		}
		xid, asks := string(b[message+4:message+8]), b[message] == 1
		if asks {
			through[xid] = b[0]&1 == 1
		}
		if !through[xid] {
			return b
		}
		copy(b[message+24:], []byte{10, 2, 0, 254}) // giaddr
		if asks {
			copy(b[0:], []byte{0xfa, 0x16, 0x3e, 0, 0, 1})
			copy(b[6:], relay)
			copy(b[26:], []byte{10, 2, 0, 254, 10, 2, 0, 1})
			b[message+3] = 1
		} else {
			copy(b[0:], relay)
			copy(b[30:], []byte{10, 2, 0, 254})
		}
		b[udp+1], b[udp+3], b[udp+6], b[udp+7] = 67, 67, 0, 0
		return b
	})(t, from, to)
}
