package bpdu

import (
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/pcapgo"
)

// pcap reads the frames of a capture.
func pcap(t testing.TB, path string) [][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	for {
		b, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return frames
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, b)
	}
}

func TestDecodeCaptures(t *testing.T) {
	for path, want := range map[string][]string{
		"testdata/uplink-unprotected.pcap": {
			"config [] vlan 0 root 32768.fa:16:3e:24:e7:22 port 32769", "rstp [] vlan 0 root 32768.fa:16:3e:24:e7:22 port 32769", "tcn [] vlan 0 root  port 0",
			"config [100] vlan 0 root 32768.fa:16:3e:24:e7:22 port 32769", "pvst [] vlan 100 root 32868.fa:16:3e:24:e7:22 port 32769",
			"pvst [100] vlan 100 root 32868.fa:16:3e:24:e7:22 port 32769"},
	} {
		var got []string
		for _, frame := range pcap(t, path) {
			b, err := DecodeFrame(frame)
			if err != nil {
				t.Errorf("%s: %x: %v", path, frame, err)
				continue
			}
			got = append(got, fmt.Sprintf("%s %v vlan %d root %s port %d", b.Type, b.Tags, b.VLAN, b.Root, b.Port))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestNotBPDU(t *testing.T) {
	for name, frame := range map[string][]byte{
		"empty":     {},
		"short":     make([]byte, 13),
		"LLDP":      append([]byte{1, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 1, 0x88, 0xcc}, make([]byte, 46)...),
		"cut tag":   {1, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0x81, 0},
		"other LLC": append([]byte{1, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 3, 0xe0, 0xe0, 3}, make([]byte, 43)...),
	} {
		if _, err := DecodeFrame(frame); !errors.Is(err, ErrNotBPDU) {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole := pcap(t, "testdata/uplink-unprotected.pcap")[0]
	if _, err := DecodeFrame(whole[:40]); err == nil || errors.Is(err, ErrNotBPDU) {
		t.Errorf("a BPDU that was cut: %v", err)
	}
}

func FuzzDecodeFrame(f *testing.F) {
	for _, path := range []string{"testdata/uplink-unprotected.pcap", "testdata/uplink-stp.pcap", "testdata/realbridge-unprotected.pcap"} {
		for _, frame := range pcap(f, path) {
			f.Add(frame)
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		b, err := DecodeFrame(frame)
		if err == nil && (b.Type == "" || b.Source == "" || len(b.Tags) > 8) {
			t.Fatalf("%+v", b)
		}
	})
}
