package recording

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

type seen struct {
	Host string
	URL  string
}

func record(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "host.tar.gz")
	w, err := Create(path, "c01", time.Now())
	must(t, err)
	must(t, w.Snapshot("mtu", seen{"c01", "mysql://nova:hunter2@db/nova"}))
	must(t, w.Add(Entry{Name: "logs/nova.log", Source: "/var/log/nova.log", Cut: 7}, []byte("a line\n")))
	w.Unseen("ceph", fs.ErrPermission)
	m, err := w.Close()
	must(t, err)
	if m.Secrets() != 1 || len(m.Entries) != 2 {
		t.Errorf("%+v", m)
	}
	return path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	path := record(t, dir)
	if i, err := os.Stat(path); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", i, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	a, err := Open(path)
	must(t, err)
	defer a.Close()
	var s seen
	must(t, a.Snapshot("mtu", &s))
	if s.Host != "c01" || strings.Contains(s.URL, "hunter2") || a.Manifest.Host != "c01" || a.Manifest.Entries[1].Cut != 7 || len(a.Manifest.Unseen) != 1 {
		t.Errorf("%+v %+v", s, a.Manifest)
	}
	if err := a.Snapshot("bpdu", &s); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a check that is not in it: %v", err)
	}
	if err := a.Snapshot("mtu", &struct{ Host string }{}); !errors.Is(err, stackmend.ErrRefused) {
		t.Errorf("a field that this version does not know: %v", err)
	}
	if _, err := Create(path, "c01", time.Now()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a recording was replaced: %v", err)
	}
}

func TestAbandoned(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(filepath.Join(dir, "x"), "h", time.Now())
	must(t, err)
	for _, name := range []string{"../x", "/etc/passwd", "", ".", ManifestName} {
		if err := w.Add(Entry{Name: name}, nil); err == nil {
			t.Errorf("%q is a name", name)
		}
	}
	must(t, w.Abandon())
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// pack makes an archive that no Writer would make.
func pack(t testing.TB, headers ...tar.Header) string {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for _, h := range headers {
		body := []byte(`{"schema":1}`)
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(body))
		}
		must(t, w.WriteHeader(&h))
		if h.Typeflag == tar.TypeReg {
			_, err := w.Write(body)
			must(t, err)
		}
	}
	must(t, closeAll(w, zip))
	path := filepath.Join(t.TempDir(), "x")
	must(t, os.WriteFile(path, b.Bytes(), 0o600))
	return path
}

func TestHostile(t *testing.T) {
	manifest := tar.Header{Name: ManifestName, Typeflag: tar.TypeReg}
	for name, h := range map[string]tar.Header{
		"leaves its folder": {Name: "../../etc/cron.d/x", Typeflag: tar.TypeReg},
		"absolute":          {Name: "/tmp/x", Typeflag: tar.TypeReg},
		"a link":            {Name: "x", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink},
		"a device":          {Name: "x", Typeflag: tar.TypeChar},
		"twice":             manifest,
	} {
		if a, err := Open(pack(t, h, manifest)); !errors.Is(err, stackmend.ErrRefused) {
			t.Errorf("%s: %v %v", name, a, err)
		}
	}
	if _, err := Open(pack(t)); !errors.Is(err, stackmend.ErrRefused) {
		t.Errorf("no manifest: %v", err)
	}
	a, err := Open(pack(t, manifest))
	must(t, err)
	must(t, a.Close())
}

// A cut file is refused, and leaves no folder.
func TestCut(t *testing.T) {
	dir := t.TempDir()
	b, err := os.ReadFile(record(t, dir))
	must(t, err)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for n := 0; n < len(b)-8; n += 7 {
		path := filepath.Join(dir, "cut")
		must(t, os.WriteFile(path, b[:n], 0o600))
		if _, err := Open(path); !errors.Is(err, stackmend.ErrRefused) {
			t.Errorf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func FuzzOpen(f *testing.F) {
	b, err := os.ReadFile(record(f, f.TempDir()))
	must(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "x")
		must(t, os.WriteFile(path, b, 0o600))
		if a, err := Open(path); err == nil {
			must(t, a.Close())
		} else if !errors.Is(err, stackmend.ErrRefused) {
			t.Error(err)
		}
	})
}
