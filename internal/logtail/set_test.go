//go:build unix

package logtail

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/stackmend/stackmend/internal/lab"
)

func TestSet(t *testing.T) {
	for _, c := range []struct{ name, files, want string }{
		{"logrotate", "x.log x.log.1 x.log.2.gz x.log.10.gz y.log x.logger x.log.1.old", "x.log.10.gz x.log.2.gz x.log.1 x.log"},
		{"dates", "x.log x.log-20240115.gz x.log-20240116 x.log-20240116-1705400000", "x.log-20240115.gz x.log-20240116 x.log-20240116-1705400000 x.log"},
		{"python", "x.log x.log.2024-01-15 x.log.2024-01-14_23-00-00", "x.log.2024-01-14_23-00-00 x.log.2024-01-15 x.log"},
		{"virtlogd", "x.log x.log.0 x.log.1", "x.log.1 x.log.0 x.log"},
		{"being compressed", "x.log x.log.1 x.log.1.gz", "x.log.1 x.log"},
		{"the log itself is missing", "x.log.1", "x.log.1"},
		{"bad dates", "x.log x.log-20241315 x.log-0x12 x.log.-1 x.log.99999", "x.log"},
	} {
		fsys := fstest.MapFS{}
		for f := range strings.FieldsSeq(c.files) {
			fsys["d/"+f] = &fstest.MapFile{}
		}
		set, err := Set(fsys, "d/x.log")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range set {
			got = append(got, strings.TrimPrefix(f.Path, "d/"))
		}
		if diff := cmp.Diff(strings.Fields(c.want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	for _, name := range []string{"d/x.log", "x.log"} {
		if _, err := Set(fstest.MapFS{"d/other": {}}, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("no such log: %v", err)
		}
	}
}

func TestOpen(t *testing.T) {
	fsys := fstest.MapFS{
		"x.log":      {Data: []byte("5\n6")},
		"x.log.1":    {Data: []byte("3\n4\n")},
		"x.log.2.gz": {Data: gzipped(t, "1\n2\n")},
		"x.log.3.gz": {Data: []byte("\x1f\x8b broken")},
	}
	r, err := Open(t.Context(), fsys, "x.log", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for l := range r.Lines() {
		got = append(got, l.Source+" "+string(l.Text))
	}
	want := []string{"x.log.2.gz 1", "x.log.2.gz 2", "x.log.1 3", "x.log.1 4", "x.log 5", "x.log 6"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "x.log.3.gz") {
		t.Errorf("the damaged file is not told: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// A file that is rotated after it was listed is read once.
func TestOpenWhileRotating(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "x.log", "new\n")
	write(t, dir, "x.log.1", "old\n")
	root := rotating{os.DirFS(dir), func() {
		rename(t, dir, "x.log.1", "x.log.2")
		rename(t, dir, "x.log", "x.log.1")
		write(t, dir, "x.log", "newest\n")
	}, new(int)}
	r, err := Open(t.Context(), root, "x.log", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := show(read(t, r))
	if strings.Count(got, "new\"") != 1 {
		t.Errorf("read while it was rotated: %s", got)
	}
}

// rotating calls f after the first Open.
type rotating struct {
	fs.FS
	f     func()
	opens *int
}

func (r rotating) Open(name string) (fs.File, error) {
	file, err := r.FS.Open(name)
	if strings.HasPrefix(name, "x.log") {
		if *r.opens++; *r.opens == 1 {
			r.f()
		}
	}
	return file, err
}

func (r rotating) Stat(name string) (fs.FileInfo, error) { return fs.Stat(r.FS, name) }

// A FIFO in place of a log does not hang the reader.
func TestOpenFIFO(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "x.log"), 0o600); err != nil {
		lab.Without(t, err.Error())
	}
	r, err := Open(t.Context(), os.DirFS(dir), "x.log", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range r.Lines() {
		t.Error("a line")
	}
	if r.Err() == nil {
		t.Error("no error")
	}
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func rename(t testing.TB, dir, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		t.Fatal(err)
	}
}
