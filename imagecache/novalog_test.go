package imagecache

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const base10 = "/var/lib/nova/instances/_base/06a057b9c7b0b27e3b496f53d1e88810a0d1d5d3_10"

func removalsIn(t testing.TB, l NovaLog, log string) []Removal {
	t.Helper()
	var all []Removal
	for r, err := range l.Removals(strings.NewReader(log)) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func TestRealLog(t *testing.T) {
	b, err := os.ReadFile("testdata/novalog/down25h.log")
	if err != nil {
		t.Fatal(err)
	}
	got := removalsIn(t, NovaLog{Host: "c01"}, string(b))
	if len(got) != 2 {
		t.Fatalf("%d removals, want 2: %+v", len(got), got)
	}
	want := Removal{Host: "c01", Path: "/lab/ic/down25h/instances/_base/c2d021a78a88be45478c2428352d107ddc746383_10",
		At: time.Date(2026, 11, 22, 8, 21, 17, 949e6, time.UTC)}
	got[1].Line = ""
	if d := cmp.Diff(want, got[1]); d != "" {
		t.Error(d)
	}
}

func TestLayouts(t *testing.T) {
	cet := time.FixedZone("CET", 3600)
	l := NovaLog{Host: "folder", Zone: cet, Modified: time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)}
	at := time.Date(2024, 2, 29, 12, 30, 15, 0, cet)
	for _, c := range []struct{ line, host string }{
		{"2024-02-29 12:30:15 41389 INFO nova.virt.libvirt.imagecache [-] Removing base file: " + base10, "folder"},
		{"2024-02-29 12:30:15.000 14200 INFO nova.virt.libvirt.imagecache [req-ee1a7ad5-a021-4aad-b653-7db14191536e - - - - -] Removing base or swap file: " + base10, "folder"},
		{"2024-02-29 12:30:15,000 INFO nova.virt.libvirt.imagecache Removing base, swap or ephemeral file: " + base10 + " \r", "folder"},
		{"2024-02-29T11:30:15+00:00 c07 nova-compute[12]: 1999-01-01 00:00:00.1 12 INFO nova.virt.libvirt.imagecache [-] Removing base, swap or ephemeral file: " + base10, "c07"},
		{"<14>1 2024-02-29T12:30:15.000+01:00 c07 nova-compute 12 - - Removing base, swap or ephemeral file: " + base10, "c07"},
		{"2024-02-29T12:30:15+0100 c07 nova-compute[12]: Removing base file: " + base10, "c07"},
		{"2024-02-29T11:30:15.000000000Z stdout F 2024-02-29 12:30:15.000 7 INFO nova.virt.libvirt.imagecache [-] Removing base file: " + base10, "folder"},
		{"Feb 29 12:30:15 c07 nova-compute: INFO nova.virt.libvirt.imagecache [-] Removing base file: " + base10, "c07"},
		{"<6>Feb 29 12:30:15 c07 nova-compute: 2024-02-29 12:30:15 Removing base file: " + base10, "c07"},
		{`{"message": "Removing base, swap or ephemeral file: ` + base10 + `", "asctime": "2024-02-29 12:30:15", "hostname": "c07"}`, "c07"},
		{"2024-02-29 12:30:15.000 \x1b[00;32mINFO nova.virt.libvirt.imagecache [\x1b[01;36m-\x1b[00;32m] \x1b[01;35m\x1b[00;32mRemoving base, swap or ephemeral file: " + base10 + "\x1b[00m", "folder"},
		{strings.Repeat("\x00", 200_000) + "2024-02-29 12:30:15 1 INFO x Removing base file: " + base10, "folder"},
	} {
		got := removalsIn(t, l, "before\n"+c.line+"\nafter\n")
		if len(got) != 1 || got[0].Path != base10 || got[0].Host != c.host || !got[0].At.Equal(at) {
			t.Errorf("%.150q: %+v", c.line, got)
		}
	}
}

func TestNoRemovals(t *testing.T) {
	for _, line := range []string{
		"", "\n", "Removing base", "Removing base file: relative\n", "Removing base file:\n", "Removing based file: /x\n",
		"2024-02-29 12:30:15 INFO Removable base files: " + base10 + "\n",
		"2024-02-29 12:30:15 INFO Removing base file: " + base10,           // no end: may go on
		"2024-02-29 12:30:15 INFO Removing base file: /a\x07b\n",           // no path of nova
		"Removing base file: /" + strings.Repeat("x", 100_000) + "\nnext.", // no path at all
	} {
		if got := removalsIn(t, NovaLog{}, line); len(got) != 0 {
			t.Errorf("%.100q: %+v", line, got)
		}
	}
}

func TestTimesThatAreNotKnown(t *testing.T) {
	for _, line := range []string{"Feb 29 12:30:15 c07 nova: ", "Feb 31 12:30:15 c07 nova: ", "2024-13-01 12:00:00 ", "no time "} {
		got := removalsIn(t, NovaLog{}, line+"Removing base file: "+base10+"\n")
		if len(got) != 1 || !got[0].At.IsZero() {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

// The year is that before, for a line of December read in January.
func TestYearBefore(t *testing.T) {
	l := NovaLog{Modified: time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)}
	got := removalsIn(t, l, "Dec 31 23:00:00 c07 nova: Removing base file: "+base10+"\n")
	if want := time.Date(2023, 12, 31, 23, 0, 0, 0, time.UTC); len(got) != 1 || !got[0].At.Equal(want) {
		t.Errorf("%+v", got)
	}
}

func TestBrokenEncoding(t *testing.T) {
	got := removalsIn(t, NovaLog{}, "\xff\xfe\xc3 \x1b]0;title\x07 Removing base file: /b\xe9\n")
	if len(got) != 1 || got[0].Path != "/b\xe9" || !utf8.ValidString(got[0].Line) || strings.ContainsFunc(got[0].Line, isControl) {
		t.Errorf("%+q", got)
	}
}

func zipped(t testing.TB, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestLogTree(t *testing.T) {
	line := func(n string) string { return "2024-02-29 12:30:15 INFO Removing base file: /_base/" + n + "\n" }
	z := zipped(t, line("packed"))
	fsys := fstest.MapFS{
		"c01/nova/nova-compute.log":         {Data: []byte(line("plain"))},
		"c01/nova/nova-compute.log.2.gz":    {Data: z},
		"c01/nova/cut.gz":                   {Data: z[:len(z)-9]},
		"c02/kolla/nova/nova-compute.log":   {Data: []byte(line("kolla"))},
		"2024/02/29/c03/nova-compute.log.1": {Data: []byte(line("dated"))},
		"c04/nova-compute.log.zst":          {Data: []byte("\x28\xb5\x2f\xfd....")},
		"c05/nova-compute.log":              {Data: nil},
		"c06/link":                          {Data: []byte("../c01"), Mode: fs.ModeSymlink},
		"top.log":                           {Data: []byte(line("top"))},
	}
	got := map[string]string{}
	var unread []string
	for r, err := range LogRemovals(context.Background(), fsys, nil) {
		if err != nil {
			if !errors.Is(err, ErrLogUnread) {
				t.Error(err)
			}
			unread = append(unread, err.Error())
			continue
		}
		got[r.Path] += r.Host
	}
	want := map[string]string{"/_base/plain": "c01", "/_base/packed": "c01c01", "/_base/kolla": "c02", "/_base/dated": "c03", "/_base/top": ""}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(unread) != 2 || !strings.Contains(unread[0], "cut.gz") || !strings.Contains(unread[1], "zst") {
		t.Errorf("unread: %q", unread)
	}
}

func TestLogTreeStops(t *testing.T) {
	fsys := fstest.MapFS{"a": {Data: []byte("Removing base file: /x\nRemoving base file: /y\n")}, "b": {Data: []byte("Removing base file: /z\n")}}
	n := 0
	for range LogRemovals(context.Background(), fsys, nil) {
		n++
		break
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	cause := errors.New("the operator went home")
	var last error
	for _, err := range LogRemovals(ctx, fsys, nil) {
		cancel(cause)
		last = err
	}
	if n != 1 || !errors.Is(last, cause) {
		t.Errorf("%d, %v", n, last)
	}
	for _, err := range (NovaLog{}).Removals(iotest.ErrReader(cause)) {
		if !errors.Is(err, cause) {
			t.Error(err)
		}
	}
}

// unended repeats a line without ever ending it.
type unended struct{ left int64 }

func (e *unended) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = "Removing base file: /x "[i%23]
	}
	e.left -= int64(len(p))
	return len(p), nil
}

// A line of 256 MiB takes the memory of a short one.
func TestGiantLine(t *testing.T) {
	allocs := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for r := range (NovaLog{}).Removals(&unended{left: 256 << 20}) {
				b.Errorf("%+v", r)
			}
		}
	})
	if perByte := float64(allocs.AllocedBytesPerOp()) / (256 << 20); perByte > 0.5 {
		t.Errorf("%.2f bytes allocated for each byte read", perByte)
	}
}

func FuzzRemovals(f *testing.F) {
	f.Add("2024-02-29T11:30:15+00:00 c07 nova-compute[12]: Removing base, swap or ephemeral file: "+base10+"\n", int64(0))
	f.Add(`{"message": "Removing base file: /x", "hostname": "h"}`+"\n", int64(1<<40))
	f.Add("Feb 29 12:30:15 c07 x: Removing base file: /x\n", int64(-1<<40))
	f.Fuzz(func(t *testing.T, s string, modified int64) {
		for r, err := range (NovaLog{Modified: time.Unix(modified, 0)}).Removals(strings.NewReader(s)) {
			if err != nil || !strings.HasPrefix(r.Path, "/") || !strings.Contains(s, "Removing base") || !utf8.ValidString(r.Line) {
				t.Errorf("%+q %v", r, err)
			}
		}
	})
}

func BenchmarkRemovals(b *testing.B) {
	line := "2024-02-29 12:30:15.000 14200 DEBUG oslo_concurrency.lockutils [-] Lock \"compute_resources\" released by ...\n"
	log := []byte(strings.Repeat(line, 100_000))
	read := func(b *testing.B, each func(io.Reader)) {
		b.SetBytes(int64(len(log)))
		for b.Loop() {
			each(bytes.NewReader(log))
		}
	}
	b.Run("Removals", func(b *testing.B) {
		read(b, func(r io.Reader) {
			for range (NovaLog{}).Removals(r) {
				b.Fatal("found one")
			}
		})
	})
	b.Run("yardstick=bytes.Count", func(b *testing.B) {
		read(b, func(r io.Reader) {
			buf := make([]byte, maxLine)
			for n, err := r.Read(buf); err == nil; n, err = r.Read(buf) {
				bytes.Count(buf[:n], []byte{'\n'})
			}
		})
	})
}
