package consolelog_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stackmend/stackmend/consolelog"
)

// TestTailRefusesWhatIsNoLog: a guest's user may reach the folder some day.
func TestTailRefusesWhatIsNoLog(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fifo", "link"} {
		if b, err := (consolelog.Tail{Path: filepath.Join(dir, name)}).Read(); err == nil {
			t.Errorf("%s: %q and no error", name, b)
		}
	}
	if _, err := (consolelog.Tail{Path: filepath.Join(dir, "fifo")}).Read(); !errors.Is(err, consolelog.ErrNotRegular) {
		t.Errorf("a FIFO: %v", err)
	}
}

// TestTailOfHoles: what is behind a large hole is found without reading it.
func TestTailOfHoles(t *testing.T) {
	path := logs(t, map[string]string{"console.log": ""})
	if err := os.Truncate(path, 6<<30); err != nil {
		t.Fatal(err)
	}
	writeLines(t, path, 0, 100)
	b, err := consolelog.Tail{Path: path}.Read()
	first, last, gap := numbers(append([]byte("\n"), b...))
	if err != nil || gap != nil || first != 0 || last != 99 {
		t.Errorf("lines %d to %d, %v, %v", first, last, err, gap)
	}
}

// TestTailOfOneLine: a line without an end takes no more memory than what is
// asked for.
func TestTailOfOneLine(t *testing.T) {
	path := logs(t, map[string]string{"console.log": ""})
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	some := bytes.Repeat([]byte{'x'}, 1<<20)
	for range 64 {
		if _, err := f.Write(some); err != nil {
			t.Fatal(err)
		}
	}
	for _, tail := range []consolelog.Tail{{Path: path}, {Path: path, Lines: 10}} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		b, err := tail.Read()
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; err != nil || len(b) > 1<<20 || used > 8<<20 {
			t.Errorf("%d bytes of %d lines, with %d bytes of memory, %v", len(b), tail.Lines, used, err)
		}
	}
}

// TestTailUnderRotation: while a log is rotated as fast as can be, in every
// way, each tail is a row of lines without a gap.
func TestTailUnderRotation(t *testing.T) {
	for name, rotate := range map[string]func(log string, f *os.File) (*os.File, error){
		"rename": func(log string, f *os.File) (*os.File, error) { // as virtlogd does
			for i := 1; i >= 0; i-- {
				if err := os.Rename(fmt.Sprintf("%s.%d", log, i), fmt.Sprintf("%s.%d", log, i+1)); err != nil && !errors.Is(err, os.ErrNotExist) {
					return nil, err
				}
			}
			if err := os.Rename(log, log+".0"); err != nil {
				return nil, err
			}
			f.Close()
			return os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		},
		"truncate": func(log string, f *os.File) (*os.File, error) { return f, f.Truncate(0) },
		"collapse": func(log string, f *os.File) (*os.File, error) {
			err := syscall.Fallocate(int(f.Fd()), 8, 0, 8192)
			if errors.Is(err, syscall.EOPNOTSUPP) {
				err = nil
			}
			return f, err
		},
		"punch": func(log string, f *os.File) (*os.File, error) {
			info, err := f.Stat()
			if err != nil {
				return nil, err
			}
			return f, syscall.Fallocate(int(f.Fd()), 3, 0, info.Size()/4096*4096-4096)
		},
	} {
		t.Run(name, func(t *testing.T) { tailUnder(t, rotate) })
	}
}

func tailUnder(t *testing.T, rotate func(string, *os.File) (*os.File, error)) {
	log := logs(t, map[string]string{"console.log": ""})
	f, err := os.OpenFile(log, os.O_APPEND|os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { f.Close() }()
	watch := newTails(t)
	watch.often, watch.jumps = true, true
	watch.add(log)
	for n := range 1500 {
		var lines []byte
		for i := range 200 {
			lines = fmt.Appendf(lines, "%010d kernel: spew line of exactly sixty bytes abcdefg\n", n*200+i)
		}
		if _, err := f.Write(lines); err != nil {
			t.Fatal(err)
		}
		if f, err = rotate(log, f); err != nil {
			t.Fatal(err)
		}
	}
	watch.stop()
}
