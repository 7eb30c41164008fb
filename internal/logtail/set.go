package logtail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A File is one file of a rotated log.
type File struct {
	Path string
	Info fs.FileInfo
	age  int64 // of two files the one with the greater age is older
}

// Set lists the files of the log at path, oldest first and the log itself
// last: the schemes of logrotate (x.log.1, x.log.2.gz, x.log-20240115.gz),
// of virtlogd (x.log.0), and of Python's TimedRotatingFileHandler
// (x.log.2024-01-15). If a file is there compressed and as it was, the
// compressing is still going on and the latter is taken. Where nothing of the
// log exists, the error is compatible with errors.Is(err, fs.ErrNotExist).
// Beside the log itself only regular files are listed.
func Set(fsys fs.FS, name string) ([]File, error) {
	entries, err := fs.ReadDir(fsys, path.Dir(name))
	if err != nil {
		return nil, fmt.Errorf("logtail: %w", err)
	}
	found := map[string]File{}
	for _, e := range entries {
		age, plain, ok := ageOf(e.Name(), path.Base(name))
		if !ok {
			continue
		}
		if other, twice := found[plain]; twice && len(path.Base(other.Path)) < len(e.Name()) {
			continue
		}
		info, err := fs.Stat(fsys, path.Join(path.Dir(name), e.Name()))
		if err != nil || age > 0 && !info.Mode().IsRegular() {
			continue // rotated away just now, or not a log
		}
		found[plain] = File{path.Join(path.Dir(name), e.Name()), info, age}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("logtail: %w", &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist})
	}
	files := make([]File, 0, len(found))
	for _, f := range found {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Or(cmp.Compare(b.age, a.age), cmp.Compare(a.Path, b.Path)) })
	return files, nil
}

// ageOf tells whether a file belongs to the log called base, how old it is
// beside the others, and what it is called without compression.
func ageOf(file, base string) (age int64, plain string, ok bool) {
	for _, suffix := range []string{".gz", ".zst", ".bz2", ".xz"} {
		if cut, is := strings.CutSuffix(file, suffix); is && cut != base {
			file = cut
			break
		}
	}
	rest, ok := strings.CutPrefix(file, base)
	if !ok {
		return 0, "", false
	}
	if rest == "" {
		return 0, file, true
	}
	age, ok = ageOfSuffix(rest)
	return age, file, ok
}

// ageOfSuffix orders what rotation appends: numbers grow with age, dates
// shrink with it. Numbered files are taken as younger than dated ones.
func ageOfSuffix(s string) (int64, bool) {
	if s[0] != '.' && s[0] != '-' && s[0] != '_' {
		return 0, false
	}
	s = s[1:]
	if n, err := strconv.ParseUint(s, 10, 16); err == nil && len(s) <= 4 {
		return int64(n) + 1, true
	}
	if t, ok := rotated(s); ok {
		return 1<<40 - t.Unix(), true
	}
	return 0, false
}

// rotated reads the date in the name of a rotated file.
func rotated(s string) (time.Time, bool) {
	for _, form := range []string{"20060102", "2006010215", "20060102-150405", "2006-01-02", "2006-01-02_15-04-05", "2006-01-02_15", "2006-01-02_15-04"} {
		if t, err := time.Parse(form, s); err == nil {
			return t, true
		}
	}
	date, second, ok := strings.Cut(s, "-") // logrotate's dateformat -%Y%m%d-%s
	if _, err := time.Parse("20060102", date); ok && err == nil {
		if n, err := strconv.ParseUint(second, 10, 33); err == nil && len(second) == 10 {
			return time.Unix(int64(n), 0), true
		}
	}
	return time.Time{}, false
}

// Open returns a Reader of all files of the log at path (see Set), oldest
// first. They are opened at once, so that a rotation meanwhile neither hides a
// file nor shows it twice.
func Open(ctx context.Context, fsys fs.FS, name string, o Options) (*Reader, error) {
	files, err := Set(fsys, name)
	if err != nil {
		return nil, err
	}
	s := &opened{}
	for _, f := range slices.Backward(files) { // youngest first: what is rotated meanwhile is met again, not missed
		s.add(fsys, f)
	}
	return newReader(ctx, s, o), nil
}

// opened are the files of a set, youngest first.
type opened struct {
	files []openFile
}

type openFile struct {
	*input
	info fs.FileInfo
	err  error
}

func (s *opened) add(fsys fs.FS, f File) {
	if f.Info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeDevice|fs.ModeDir) != 0 {
		s.files = append(s.files, openFile{err: fmt.Errorf("logtail: %s is not a regular file", f.Path)})
		return
	}
	file, err := fsys.Open(f.Path)
	if err == nil {
		f.Info, err = file.Stat()
	}
	if err != nil {
		s.files = append(s.files, openFile{err: fmt.Errorf("logtail: %w", err)})
		return
	}
	again := func(o openFile) bool { return sameFile(o.info, f.Info) == same }
	if slices.ContainsFunc(s.files, again) {
		_ = file.Close()
		return
	}
	s.files = append(s.files, openFile{&input{f.Path, file, file.Close}, f.Info, nil})
}

func (s *opened) next(context.Context) (*input, error) {
	if len(s.files) == 0 {
		return nil, io.EOF
	}
	f := s.files[len(s.files)-1]
	s.files = s.files[:len(s.files)-1]
	if f.err != nil {
		return nil, f.err
	}
	return decompress(f.input)
}

func (s *opened) close() (err error) {
	for _, f := range s.files {
		if f.input != nil {
			err = errors.Join(err, f.input.close())
		}
	}
	s.files = nil
	return err
}
