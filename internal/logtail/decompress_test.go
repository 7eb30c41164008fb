package logtail

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestDecompress(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.WriteString(z, "what it holds"); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]string{"plain": "what it holds", "gzip": packed.String()} {
		r, err := Decompress(strings.NewReader(in), name)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r); err != nil || string(b) != "what it holds" || r.Close() != nil {
			t.Errorf("%s: %q %v", name, b, err)
		}
	}
	if _, err := Decompress(strings.NewReader("\xfd7zXZ\x00..."), "x"); !errors.Is(err, ErrCompression) {
		t.Error(err)
	}
}
