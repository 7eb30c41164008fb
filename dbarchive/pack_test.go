package dbarchive

import (
	"bytes"
	"testing"
)

func FuzzUnpack(f *testing.F) {
	f.Add([]byte(`{"id":"1"}`))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x78, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = unpack(b) // an error at most
		got, err := unpack(newPacker().pack(b))
		if err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%d bytes came back as %d: %v", len(b), len(got), err)
		}
	})
}
