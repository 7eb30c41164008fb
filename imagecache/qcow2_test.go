package imagecache

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestReadHeader(t *testing.T) {
	const base = "/var/lib/nova/instances/_base/x"
	for name, c := range map[string]struct {
		in      []byte
		want    Header
		wantErr string
	}{
		"v3":               {in: qcow2(header{backing: base, format: "raw"}), want: Header{Format: "qcow2", Version: 3, Backing: base, BackingFormat: "raw"}},
		"v2":               {in: qcow2(header{version: 2, backing: base}), want: Header{Format: "qcow2", Version: 2, Backing: base}},
		"v2 alone":         {in: qcow2(header{version: 2}), want: Header{Format: "qcow2", Version: 2}},
		"alone":            {in: qcow2(header{}), want: Header{Format: "qcow2", Version: 3}},
		"far name":         {in: qcow2(header{backing: base, at: 5000}), want: Header{Format: "qcow2", Version: 3, Backing: base}},
		"data file":        {in: qcow2(header{data: "d.raw"}), want: Header{Format: "qcow2", Version: 3, DataFile: "d.raw"}},
		"no data name":     {in: qcow2(header{features: incompatDataFile}), wantErr: "data file"},
		"unknown feature":  {in: qcow2(header{features: 1 << 9}), wantErr: "features 0x200"},
		"version 4":        {in: qcow2(header{version: 4}), wantErr: "version 4"},
		"NUL in name":      {in: qcow2(header{backing: "/a\x00b"}), wantErr: "NUL"},
		"long name":        {in: qcow2(header{backing: strings.Repeat("x", 1024)}), wantErr: "1024 bytes"},
		"name behind end":  {in: qcow2(header{backing: base, at: 65530})[:65536], wantErr: "cut"},
		"cluster bits":     {in: patch(qcow2(header{}), 23, 40), wantErr: "cluster_bits"},
		"crypt":            {in: patch(qcow2(header{}), 35, 9), wantErr: "crypt_method"},
		"header length":    {in: patch(qcow2(header{}), 101, 1), wantErr: "says it has"},
		"name without off": {in: patch(qcow2(header{}), 19, 7), wantErr: "backing file name"},
		"extension length": {in: patch(qcow2(header{format: "raw"}), 117, 9), wantErr: "extension"},
		"vmdk":             {in: []byte("KDMV\x01\x00\x00\x00"), wantErr: "vmdk"},
		"vmdk text":        {in: []byte("# Disk DescriptorFile\nparentFileNameHint=x"), wantErr: "vmdk"},
		"qed":              {in: []byte("QED\x00xxxx"), wantErr: "qed"},
		"vhdx":             {in: []byte("vhdxfile"), wantErr: "vhdx"},
		"empty":            {want: Header{Format: "empty"}},
		"text":             {in: []byte("GRUB loading\n"), want: Header{Format: "text"}},
		"boot sector":      {in: patch(patch(make([]byte, 4096), 510, 0x55), 511, 0xaa), want: Header{Format: "raw"}},
		"zeros":            {in: make([]byte, 4096), want: Header{}},
		"qcow":             {in: qcowOf2004(base), want: Header{Format: "qcow", Version: 1, Backing: base}},
	} {
		got, err := ReadHeader(bytes.NewReader(c.in))
		switch {
		case c.wantErr == "" && (err != nil || got != c.want):
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		case c.wantErr != "" && (!errors.Is(err, ErrImage) || !strings.Contains(err.Error(), c.wantErr)):
			t.Errorf("%s: %+v, %v, want an ErrImage with %q", name, got, err, c.wantErr)
		}
	}
}

func patch(b []byte, at int, v byte) []byte {
	b[at] = v
	return b
}

func qcowOf2004(backing string) []byte {
	b := qcow2(header{version: 1, backing: backing})
	be.PutUint32(b[20:], 0)
	return b
}

// A head that is cut anywhere is never taken for an image that refers to
// nothing.
func TestReadHeaderCut(t *testing.T) {
	for _, h := range []header{{backing: "/_base/x", format: "raw"}, {version: 2, backing: "/_base/x"}, {data: "x"}, {backing: "/_base/x", at: 5000}} {
		whole := qcow2(h)
		for n := range whole[:6000] {
			got, err := ReadHeader(bytes.NewReader(whole[:n]))
			if err == nil && got.Format == "qcow2" && (got.Backing != h.backing || got.DataFile != h.data) {
				t.Fatalf("%+v cut after %d bytes reads as %+v", h, n, got)
			}
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	f.Add(qcow2(header{backing: "/_base/x", format: "raw"})[:1024])
	f.Add(qcow2(header{version: 2, backing: "json:{\"driver\":\"qcow2\"}"})[:1024])
	f.Add(qcow2(header{data: "d"})[:1024])
	f.Add(qcowOf2004("x")[:1024])
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ReadHeader(bytes.NewReader(b))
		if err != nil && !errors.Is(err, ErrImage) {
			t.Fatalf("%v is no ErrImage", err)
		}
		if strings.Contains(h.Backing+h.DataFile, "\x00") || len(h.Backing) > maxName {
			t.Fatalf("%+v", h)
		}
		for _, name := range []string{h.Backing, h.DataFile} {
			if name == "" {
				continue
			}
			if _, err := (roots{"/i"}).links("d", name); err != nil && !errors.Is(err, ErrImage) {
				t.Fatalf("%q: %v", name, err)
			}
		}
	})
}

func FuzzLinks(f *testing.F) {
	for _, s := range []string{"/i/_base/x", "../_base/x", "file:/i/x", "nbd:localhost:1", `json:{"file.filename":"/i/x"}`, "rbd:p/i"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		ls, err := (roots{"/i", "/g"}).links("a/b", name)
		if err == nil && len(ls) == 0 {
			t.Fatalf("%q refers to nothing and is no error", name)
		}
		for _, l := range ls {
			if l.Kind == Inside && (l.Rel == "" || strings.HasPrefix(l.Rel, "/") || l.Rel == ".." || strings.HasPrefix(l.Rel, "../")) {
				t.Fatalf("%q leads to %q", name, l.Rel)
			}
		}
	})
}

func FuzzRegistry(f *testing.F) {
	for _, s := range []string{`{"c01": 1795335617.118296}`, `{"c01": 17953`, ``, `[]`, `null`, `{"c01": null}`, `{"a/b": 1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r := ParseRegistry(bytes.NewReader(b)); (r.Problem == "") != (len(r.Hosts) > 0) {
			t.Fatalf("%q: %+v", b, r)
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"schema":1,"name":"swap_1","inode":7,"quarantined":"2026-01-01T00:00:00Z"}`), "swap_1.7")
	f.Fuzz(func(t *testing.T, b []byte, id string) {
		if m, err := parseManifest(bytes.NewReader(b), id); err == nil && (!isEntryID(id) || entryID(m.Name, m.Inode) != id) {
			t.Fatalf("%q: %+v", id, m)
		}
	})
}
