package consolelog

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strconv"
)

// NovaReads is how many bytes nova-compute returns of a console's log: keep
// at least as many. MAX_CONSOLE_BYTES in
// https://opendev.org/openstack/nova/src/tag/26.2.2/nova/virt/libvirt/driver.py
const NovaReads = 100 << 10

// MaxTail is the most that a Tail reads.
const MaxTail = 64 << 20

// A Tail is the end of a console's log: of console.log, and where that is
// short of console.log.0, .1 and so on before it, as nova reads them. What it
// costs does not depend on how large the logs are, and it takes about as much
// memory as it returns.
//
// It is right while the log is written, bounded, rotated or truncated: each
// such change between its look at the size and its reading is noticed and the
// reading begun anew. NULs are left out, which is what a hole reads as, and
// what a guest or a truncation by others leaves.
//
// A Tail may be used by several goroutines.
type Tail struct {
	Path string
	// Bytes is the most to return: NovaReads if it and Lines are zero, with
	// Lines 1 MiB. More than MaxTail is an error.
	Bytes int64
	Lines int  // the last so many lines alone, if not zero
	Alone bool // without console.log.0 and so on
}

// ErrBusy says that a log changed under every attempt to read it.
var ErrBusy = errors.New("consolelog: the log is replaced again and again")

// maxBackups is how many files before console.log are looked at: they stay open
// for as long as a tail is read.
const maxBackups = 100

// tailTries is how often a reading is begun anew. A log is rotated, bounded
// or truncated a few times a second at the very worst.
const tailTries = 50

// Read returns the end of the log. The error is compatible with
// errors.Is(err, fs.ErrNotExist) if there is no log, and with ErrBusy. Where
// console.log.0 is there and console.log is not, who rotates them is between
// its two steps: then the log is as long as it was, and ends in console.log.0.
func (t Tail) Read() ([]byte, error) {
	limit, err := t.limit()
	if err != nil {
		return nil, err
	}
	for range tailTries {
		b, err := t.read(limit)
		if !errors.Is(err, errShort) {
			return t.cut(b), err
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrBusy, t.Path)
}

// Open returns a reader of what Read returns.
func (t Tail) Open() (io.Reader, error) {
	b, err := t.Read()
	if err != nil {
		return nil, err
	}
	return bytes.NewReader(b), nil
}

// All yields the lines, without their line ends. The first may be the end of
// a line. An error is the last to be yielded.
func (t Tail) All() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		b, err := t.Read()
		for line := range bytes.Lines(b) {
			if !yield(bytes.TrimRight(line, "\r\n"), nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func (t Tail) limit() (int64, error) {
	if t.Bytes < 0 || t.Lines < 0 || t.Bytes > MaxTail {
		return 0, fmt.Errorf("consolelog: a tail of %d bytes, %d lines: at most %d bytes", t.Bytes, t.Lines, MaxTail)
	}
	if t.Lines > 0 {
		return cmp.Or(t.Bytes, 1<<20), nil
	}
	return cmp.Or(t.Bytes, NovaReads), nil
}

// cut keeps the last lines.
func (t Tail) cut(b []byte) []byte {
	if t.Lines == 0 || len(b) == 0 {
		return b
	}
	at := len(b) - 1 // what ends the last line does not begin another
	for range t.Lines {
		if at = bytes.LastIndexByte(b[:at], '\n'); at < 0 {
			return b
		}
	}
	return b[at+1:]
}

// errShort says that a file had fewer bytes than it said, or moved.
var errShort = errors.New("the log changed while it was read")

// read makes one attempt: newest file first, until there is enough.
func (t Tail) read(limit int64) ([]byte, error) {
	var parts [][]byte
	var files []fs.FileInfo
	newest, err := t.newest()
	if err != nil {
		return nil, err
	}
	for i, left := newest, limit; left > 0 && i < maxBackups && (i == newest || !t.Alone); i++ {
		b, info, f, err := readEnd(rotation(t.Path, i), left)
		if f != nil {
			defer f.Close() // only then: the number of a file that is gone may be given anew
		}
		if errors.Is(err, fs.ErrNotExist) {
			if i == newest {
				return nil, errShort // moved since
			}
			break
		}
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if os.SameFile(f, info) { // what was console.log just now
				return nil, errShort
			}
		}
		parts, files, left = append(parts, b), append(files, info), left-int64(len(b))
	}
	if now, err := t.newest(); err != nil || now != newest {
		return nil, errShort
	}
	if err := unmoved(t.Path, newest, files); err != nil {
		return nil, err
	}
	var all []byte
	for i := len(parts) - 1; i >= 0; i-- {
		all = append(all, parts[i]...)
	}
	return all, nil
}

// newest is the number of the file in which the log ends: -1, and 0 in the
// moment of a rotation.
func (t Tail) newest() (int, error) {
	_, err := os.Lstat(t.Path)
	if errors.Is(err, fs.ErrNotExist) && !t.Alone {
		if _, before := os.Lstat(rotation(t.Path, 0)); before == nil {
			return 0, nil
		}
		if _, again := os.Lstat(t.Path); again == nil { // it came, and what was before it went on
			return -1, nil
		}
	}
	if err != nil {
		return 0, fmt.Errorf("consolelog: %w", err)
	}
	return -1, nil
}

// unmoved says whether the files, of which the first is the newest, still have
// the names under which they were read.
func unmoved(path string, newest int, files []fs.FileInfo) error {
	for i, f := range files {
		now, err := os.Lstat(rotation(path, newest+i))
		if err != nil || !os.SameFile(f, now) {
			return errShort
		}
	}
	return nil
}

// rotation is the name of the i-th file before console.log; -1 is itself.
func rotation(path string, i int) string {
	if i < 0 {
		return path
	}
	return path + "." + strconv.Itoa(i)
}

// readEnd returns the last n bytes of a file that are not NUL, and the file,
// still open.
func readEnd(path string, n int64) ([]byte, fs.FileInfo, *os.File, error) {
	f, err := openLog(path)
	if err != nil {
		return nil, nil, nil, err
	}
	b, err := lastBytes(f, n)
	if err != nil {
		return nil, nil, f, err
	}
	info, err := f.Stat()
	return b, info, f, err
}

// searches is how far before the end data are looked for when the end is
// NULs: so many times what was asked for.
const searches = 8

func lastBytes(f *os.File, n int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	first, err := leadingHole(f)
	if err != nil {
		return nil, err
	}
	var out []byte
	end := info.Size()
	for range searches {
		start := max(first, end-n)
		if start >= end || int64(len(out)) >= n {
			break
		}
		b := make([]byte, end-start)
		if _, err := f.ReadAt(b, start); errors.Is(err, io.EOF) {
			return nil, errShort
		} else if err != nil {
			return nil, err
		}
		if err := sameAgain(f, b, start); err != nil {
			return nil, err
		}
		out = append(withoutNUL(b), out...)
		end = start
	}
	if err := unshrunk(f, info.Size(), max(first, end)); err != nil {
		return nil, err
	}
	return out[max(0, int64(len(out))-n):], nil
}

// sameAgain reads a range once more: what was torn by a collapse that came in
// the middle of the first reading is not the same then, even if the log has
// grown again to its old size.
func sameAgain(f *os.File, b []byte, start int64) error {
	again := make([]byte, min(len(b), 64<<10))
	for at := 0; at < len(b); {
		part := again[:min(len(again), len(b)-at)]
		if _, err := f.ReadAt(part, start+int64(at)); errors.Is(err, io.EOF) {
			return errShort
		} else if err != nil {
			return err
		}
		if !bytes.Equal(part, b[at:at+len(part)]) {
			return errShort
		}
		at += len(part)
	}
	return nil
}

// unshrunk says whether what was read from start on, of a file of that size,
// was there all the time: a bound that came in between would leave a gap.
func unshrunk(f *os.File, size, start int64) error {
	after, err := f.Stat()
	if err != nil {
		return err
	}
	hole, err := leadingHole(f)
	if err == nil && (after.Size() < size || hole > start) {
		return errShort
	}
	return err
}

func withoutNUL(b []byte) []byte {
	if bytes.IndexByte(b, 0) < 0 {
		return b
	}
	return bytes.ReplaceAll(b, []byte{0}, nil)
}
