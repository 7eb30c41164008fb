package logtail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// read reads all lines, their texts copied.
func read(t testing.TB, r *Reader) []Line {
	t.Helper()
	var lines []Line
	for l := range r.Lines() {
		l.Text = bytes.Clone(l.Text)
		lines = append(lines, l)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func show(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%d %q", l.Number, l.Text)
		if l.Dropped > 0 {
			fmt.Fprintf(&b, " dropped %d", l.Dropped)
		}
		if l.NUL > 0 {
			fmt.Fprintf(&b, " NUL %d", l.NUL)
		}
		if l.Partial {
			b.WriteString(" partial")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		o              Options
	}{
		{"empty", "", "", Options{}},
		{"two", "a\nb\n", "1 \"a\"\n2 \"b\"\n", Options{}},
		{"no end of line", "a\nb", "1 \"a\"\n2 \"b\" partial\n", Options{}},
		{"windows", "a\r\n\r\n", "1 \"a\"\n2 \"\"\n", Options{}},
		{"cut", "abcdefgh\nx\n", "1 \"abcd\" dropped 4\n2 \"x\"\n", Options{MaxLine: 4}},
		{"just fits", "abcd\r\nx\n", "1 \"abcd\" dropped 1\n2 \"x\"\n", Options{MaxLine: 4}},
		{"hole", "a\n\x00\x00\x00b\n", "1 \"a\"\n2 \"b\" NUL 3\n", Options{}},
		{"hole at the end", "a\n\x00\x00", "1 \"a\"\n", Options{}},
		{"match", "x one\ny\nz two\nw\n", "1 \"x one\"\n3 \"z two\"\n", Options{Match: []string{"one", "two"}}},
		{"match, last", "x\ny one", "2 \"y one\" partial\n", Options{Match: []string{"one"}}},
		{"match beyond the cut", "abcdone\nx\none\n", "3 \"one\"\n", Options{MaxLine: 4, Match: []string{"one"}}},
		{"not UTF-8", "\xff\xfeB\x00P\x00\n", "1 \"\\xff\\xfeB\\x00P\\x00\"\n", Options{}},
	} {
		for _, chunk := range []string{"whole", "by byte", "with EOF"} {
			var in io.Reader = strings.NewReader(c.in)
			switch chunk {
			case "by byte":
				in = iotest.OneByteReader(in)
			case "with EOF":
				in = iotest.DataErrReader(in)
			}
			got := show(read(t, New(t.Context(), in, "x", c.o)))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", c.name, chunk, diff)
			}
		}
	}
}

// A giant line, and a giant hole, are read in the memory of
// MaxLine.
func TestGiant(t *testing.T) {
	const giant = 1 << 27
	for _, c := range []struct {
		fill byte
		want string
	}{
		{'x', fmt.Sprintf("1 %q dropped %d\n2 \"after\"\n", strings.Repeat("x", 100), giant-100)},
		{0, fmt.Sprintf("1 \"\" NUL %d\n2 \"after\"\n", giant)},
	} {
		in := io.MultiReader(&filler{giant, c.fill}, strings.NewReader("\nafter\n"))
		var got []Line
		allocated := testing.Benchmark(func(b *testing.B) {
			if b.N > 1 {
				return
			}
			b.ReportAllocs()
			got = read(b, New(context.Background(), in, "x", Options{MaxLine: 100}))
		}).AllocedBytesPerOp()
		if diff := cmp.Diff(c.want, show(got)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if allocated > 4<<20 {
			t.Errorf("%d bytes of memory", allocated)
		}
	}
}

type filler struct {
	n    int
	with byte
}

func (f *filler) Read(p []byte) (int, error) {
	if f.n == 0 {
		return 0, io.EOF
	}
	n := min(len(p), f.n)
	f.n -= n
	for i := range p[:n] {
		p[i] = f.with
	}
	return n, nil
}

func gzipped(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t testing.TB, text string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll([]byte(text), nil)
}

func TestCompressed(t *testing.T) {
	for name, in := range map[string][]byte{
		"gzip":       gzipped(t, "a\nb\n"),
		"two gzips":  append(gzipped(t, "a\n"), gzipped(t, "b\n")...),
		"zstd":       zstded(t, "a\nb\n"),
		"not at all": []byte("a\nb\n"),
	} {
		if got := show(read(t, New(t.Context(), bytes.NewReader(in), "x", Options{}))); got != "1 \"a\"\n2 \"b\"\n" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What can be read of a damaged file is read, and then the damage is told.
func TestDamaged(t *testing.T) {
	long := strings.Repeat("some line of a log\n", 10000)
	whole := gzipped(t, long)
	r := New(t.Context(), bytes.NewReader(whole[:len(whole)/2]), "cut.gz", Options{})
	n := 0
	for range r.Lines() {
		n++
	}
	if err := r.Err(); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "cut.gz") {
		t.Errorf("error %v, want io.ErrUnexpectedEOF of cut.gz", err)
	}
	if n < 1000 {
		t.Errorf("%d lines of half the file", n)
	}
	r = New(t.Context(), strings.NewReader("\xfd7zXZ\x00..."), "x.xz", Options{})
	for range r.Lines() {
		t.Error("a line of an xz file")
	}
	if err := r.Err(); !errors.Is(err, ErrCompression) {
		t.Errorf("error %v, want ErrCompression", err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	enough := errors.New("enough")
	r := New(ctx, &filler{1 << 40, '\n'}, "endless", Options{})
	for range r.Lines() {
		cancel(enough)
	}
	if err := r.Err(); !errors.Is(err, enough) {
		t.Errorf("error %v, want the cause", err)
	}
}

func TestReaderThatNeverAdvances(t *testing.T) {
	r := New(t.Context(), iotest.ErrReader(nil), "x", Options{})
	for range r.Lines() {
		t.Error("a line")
	}
	if err := r.Err(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("error %v", err)
	}
}

// FuzzReader compares the reader with the plain way of cutting lines.
func FuzzReader(f *testing.F) {
	f.Add([]byte("a\nbb\r\nccc\n\x00\x00d"), 3, "c")
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\n\x00x\n"), 2, "")
	f.Add([]byte("a\n\nb\r\n\x00c\n"), 3, "\n")
	f.Add([]byte("a\n\nb\r\n\x00c\n"), 3, "b\r")
	f.Add([]byte("a\n\nb\r\n\x00c\n"), 3, "\x00c")
	f.Fuzz(func(t *testing.T, in []byte, maxLine int, word string) {
		if maxLine < 1 || maxLine > 100 || len(in) > 1<<12 || bytes.HasPrefix(in, []byte("\x1f\x8b")) ||
			bytes.HasPrefix(in, []byte("\x28\xb5\x2f\xfd")) || bytes.HasPrefix(in, []byte("BZh")) || bytes.HasPrefix(in, []byte("\xfd7z")) {
			return
		}
		o := Options{MaxLine: maxLine}
		if word != "" {
			o.Match = []string{word, word + "x"}
		}
		want := show(plainly(in, maxLine, word))
		for _, r := range []io.Reader{bytes.NewReader(in), iotest.HalfReader(bytes.NewReader(in)), iotest.OneByteReader(bytes.NewReader(in))} {
			if diff := cmp.Diff(want, show(read(t, New(t.Context(), r, "x", o)))); diff != "" {
				t.Fatalf("-want +got:\n%s", diff)
			}
		}
		small := newReader(t.Context(), &single{&input{"x", bytes.NewReader(in), func() error { return nil }}}, o)
		small.buf = make([]byte, maxLine+2)
		if diff := cmp.Diff(want, show(read(t, small))); diff != "" {
			t.Fatalf("small buffer (-want +got):\n%s", diff)
		}
	})
}

func plainly(in []byte, maxLine int, word string) []Line {
	var lines []Line
	all := bytes.Split(in, newline)
	for i, text := range all {
		l := Line{Number: int64(i + 1), Partial: i == len(all)-1}
		trimmed := bytes.TrimLeft(text, "\x00")
		l.NUL = int64(len(text) - len(trimmed))
		if l.Partial && len(trimmed) == 0 {
			continue
		}
		l.Dropped = int64(max(0, len(trimmed)-maxLine))
		l.Text = trimmed[:len(trimmed)-int(l.Dropped)]
		if l.Dropped == 0 {
			l.Text = bytes.TrimSuffix(l.Text, []byte("\r"))
		}
		if bytes.Contains(l.Text, []byte(word)) {
			lines = append(lines, l)
		}
	}
	return lines
}

// TestTake: lines that are taken are not returned, and all have their numbers.
func TestTake(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var want, got []string
		var b bytes.Buffer
		for i := range 1 + rnd.IntN(300) {
			text := fmt.Sprintf("word %d%s", i+1, strings.Repeat("x", rnd.IntN(40)))
			fmt.Fprintf(&b, "%s\n", text)
			want = append(want, text)
			if rnd.IntN(3) == 0 {
				b.WriteString("other\n")
				want = append(want, "")
			}
		}
		note := func(number int64, text []byte) {
			for len(got) < int(number)-1 {
				got = append(got, "")
			}
			got = append(got, string(text))
		}
		o := Options{Match: []string{"word"}}
		o.Take = func(text []byte, before int64) (n int, lines int64) {
			for line := range bytes.Lines(text) {
				if rnd.IntN(3) == 0 {
					break
				}
				n += len(line)
				if lines++; bytes.HasPrefix(line, []byte("word")) {
					note(before+lines, line[:len(line)-1])
				}
			}
			return n, lines
		}
		r := New(t.Context(), iotest.HalfReader(bytes.NewReader(b.Bytes())), "x", o)
		for line := range r.Lines() {
			note(line.Number, line.Text)
		}
		for len(got) < len(want) {
			got = append(got, "")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	}
}

// TestSwap: what was taken stays as it is while other buffers are read to.
func TestSwap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		var in bytes.Buffer
		for in.Len() < 100_000 {
			in.WriteString(strings.Repeat("word ", 1+rnd.IntN(40)))
			if rnd.IntN(200) == 0 {
				in.WriteString(strings.Repeat("giant ", 300))
			}
			in.WriteByte('\n')
		}
		in.WriteString("the end")
		at, taken, fresh := 0, map[int][]byte{}, false
		o := Options{MaxLine: 1024}
		o.Take = func(text []byte, _ int64) (int, int64) {
			taken[at], fresh = text, true
			at += len(text)
			return len(text), int64(bytes.Count(text, newline))
		}
		o.Swap = func(last []byte) []byte {
			if !fresh {
				return last
			}
			fresh = false
			return make([]byte, len(last))
		}
		r := New(t.Context(), iotest.HalfReader(bytes.NewReader(in.Bytes())), "x", o)
		for line := range r.Lines() {
			taken[at] = bytes.Clone(line.Text)
			at += len(line.Text) + int(line.Dropped) + 1
		}
		if at != in.Len()+1 || r.Err() != nil {
			t.Fatal(at, in.Len(), r.Err())
		}
		for at, text := range taken {
			if want := in.Bytes()[at : at+len(text)]; !bytes.Equal(text, want) {
				t.Fatalf("%.80q\nwant %.80q", text, want)
			}
		}
	}
}
