package svg

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

func parse(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("not XML: %v in %s", err, text)
		}
	}
}

func TestPicture(t *testing.T) {
	var p Picture
	h := p.Box(0, 0, 100, Culprit, "bond0", "mtu 1500")
	p.Line(50, h, 50, h+20, Plain)
	p.Text(0, h+40, `</text><script>alert("x")</script>`+"\x1b\xff", Faint)
	var b bytes.Buffer
	n, err := p.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatal(n, err)
	}
	parse(t, b.String())
	if strings.Contains(b.String(), "<script") || !strings.Contains(b.String(), `class="culprit"`) {
		t.Error(b.String())
	}
}

func FuzzText(f *testing.F) {
	f.Add("eth0")
	f.Add("]]><a b='\x00")
	f.Fuzz(func(t *testing.T, text string) {
		var p Picture
		p.Text(0, 0, text, Plain)
		var b bytes.Buffer
		if _, err := p.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		parse(t, b.String())
	})
}
