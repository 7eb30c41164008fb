package bootvolume

import (
	"bytes"
	"compress/gzip"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// readServices reads testdata/services as others have written it: change makes
// files, of a name, from the lines of one.
func readServices(t testing.TB, change func(name string, lines []string) map[string][]byte) *Snapshot {
	t.Helper()
	s := &Snapshot{Subject: "services", Taken: now}
	for file, source := range map[string]Source{"nova-api": NovaAPI, "nova-compute-c01": Compute, "nova-compute-c02": Compute, "haproxy": HAProxy,
		"cinder-api": API, "cinder-scheduler": Scheduler, "cinder-volume": Volume} {
		b, err := os.ReadFile("testdata/services/" + file + ".log")
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for name, text := range change(file+".log", slices.Collect(strings.Lines(string(b)))) {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l := Log{Source: source, Host: file, Now: time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)}
		if err := s.Logs.ReadFiles(t.Context(), os.DirFS(dir), file+".log", l); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// A log that was rotated in the middle, or copied and truncated so that a part
// is in two files, tells the same.
func TestRotatedInTheMiddle(t *testing.T) {
	zipped := func(text string) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, overlap := range []int{0, 9} {
		s := readServices(t, func(name string, lines []string) map[string][]byte {
			a, b := len(lines)/3, 2*len(lines)/3
			return map[string][]byte{
				name + ".2.gz": zipped(strings.Join(lines[:a+overlap], "")),
				name + ".1":    []byte(strings.Join(lines[a:b+overlap], "")),
				name:           []byte(strings.Join(lines[b:], "")),
			}
		})
		if got := lostOf(Check(s)); !maps.Equal(got, lostInServices) {
			t.Errorf("%d lines in two files: %v, want %v", overlap, got, lostInServices)
		}
		want := Follow(&recorded(t, "services").Logs)
		for i, b := range Follow(&s.Logs) {
			if len(b.Asks) != len(want[i].Asks) || len(b.Asks[0].Posts) != len(want[i].Asks[0].Posts) {
				t.Errorf("%s: %+v, want %+v", b.Instance, b.Asks, want[i].Asks)
			}
		}
	}
}

// A traceback of any length costs nothing but its reading.
func TestHugeTraceback(t *testing.T) {
	s := readServices(t, func(name string, lines []string) map[string][]byte {
		var b strings.Builder
		for _, line := range lines {
			b.WriteString(line)
			if strings.Contains(line, " ERROR ") {
				b.WriteString(strings.Repeat("  File \"x.py\", line 1, in f: req-b2142600 POST /volumes\n", 20_000))
				b.WriteString(line[:30] + strings.Repeat("x", 1<<20) + "\n")
			}
		}
		return map[string][]byte{name: []byte(b.String())}
	})
	if got := lostOf(Check(s)); !maps.Equal(got, lostInServices) {
		t.Errorf("%v, want %v", got, lostInServices)
	}
	if s.Logs.Cut == 0 || len(s.Logs.Events) > 400 {
		t.Errorf("%d cut, %d events", s.Logs.Cut, len(s.Logs.Events))
	}
}

// spoilt is what became of a line.
func spoilt(how byte, line, other string) string {
	switch {
	case how&1 != 0:
		return ""
	case how&2 != 0:
		return line[:len(line)/2] + "\n"
	case how&4 != 0:
		return line + line
	case how&8 != 0:
		return other
	}
	return line
}

// Whatever lines are missing, cut, out of order or there twice, no POST is
// given to two asks, and nobody is judged by a line that he has not.
func FuzzFollow(f *testing.F) {
	files := []Log{{Source: Compute, Host: "nova-compute-c01"}, {Source: Compute, Host: "nova-compute-c02"}, {Source: HAProxy, Host: "haproxy"},
		{Source: API, Host: "cinder-api"}, {Source: Volume, Host: "cinder-volume"}}
	var lines [][]string
	for i := range files {
		files[i].Now = time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
		b, err := os.ReadFile("testdata/services/" + files[i].Host + ".log")
		if err != nil {
			f.Fatal(err)
		}
		lines = append(lines, slices.Collect(strings.Lines(string(b))))
	}
	f.Add([]byte{0})
	f.Add([]byte{0, 1, 2, 4, 8})
	f.Add([]byte{16, 0, 0, 1})
	f.Fuzz(func(t *testing.T, how []byte) {
		if len(how) == 0 {
			return
		}
		var l Logs
		n := 0
		for i, file := range files {
			var text strings.Builder
			for _, line := range lines[i] {
				n++
				text.WriteString(spoilt(how[n%len(how)], line, lines[i][n*7%len(lines[i])]))
			}
			if err := l.Read(t.Context(), strings.NewReader(text.String()), "x", file); err != nil {
				t.Fatal(err)
			}
		}
		if how[0]&16 != 0 {
			withoutIDs(&l)
		}
		seen := make(map[any]bool)
		for _, b := range Follow(&l) {
			for _, a := range b.Asks {
				for _, p := range a.Posts {
					if p.HAProxy == nil && p.Cinder == nil || p.HAProxy != nil && seen[p.HAProxy] || p.Cinder != nil && seen[p.Cinder] {
						t.Errorf("given twice, or nothing: %+v", p)
					}
					seen[p.HAProxy], seen[p.Cinder] = true, true
				}
			}
		}
		Check(&Snapshot{Logs: l})
	})
}
