package recording

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/stackmend/stackmend/internal/scrub"
)

// A Writer makes an archive in a file that appears when it is whole.
type Writer struct {
	manifest Manifest
	path     string
	file     *os.File
	zip      *gzip.Writer
	tar      *tar.Writer
	names    map[string]bool
	total    int64
}

// Create begins the archive that Close puts at path, readable by its owner
// alone. What is there already is an error compatible with fs.ErrExist.
func Create(path, host string, now time.Time) (*Writer, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(&fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return nil, err
	}
	w := &Writer{path: path, file: f, zip: gzip.NewWriter(f), names: map[string]bool{ManifestName: true}}
	w.manifest = Manifest{Schema: Schema, Made: now.UTC(), Host: host}
	w.tar = tar.NewWriter(w.zip)
	return w, nil
}

// Snapshot adds what a check has observed.
func (w *Writer) Snapshot(check string, seen any) error {
	e := Entry{Name: SnapshotName(check), Source: check}
	b, err := json.Marshal(seen)
	if err == nil {
		b, e.Removed, err = scrub.JSON(b)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", check, err)
	}
	return w.AddClean(e, b)
}

// Add adds an entry of text without its secrets.
func (w *Writer) Add(e Entry, b []byte) error {
	b, e.Removed = scrub.Text(b)
	return w.AddClean(e, b)
}

// AddClean adds an entry that holds no secrets any more.
func (w *Writer) AddClean(e Entry, b []byte) error {
	switch {
	case !fs.ValidPath(e.Name) || e.Name == ".":
		return fmt.Errorf("recording: %q is no name", e.Name)
	case w.names[e.Name]:
		return fmt.Errorf("recording: %s is there already: %w", e.Name, fs.ErrExist)
	case len(b) > MaxEntry || w.total+int64(len(b)) > MaxTotal || len(w.manifest.Entries) == MaxEntries:
		return fmt.Errorf("recording: %s, of %d bytes, is too much for one archive", e.Name, len(b))
	}
	e.Bytes = int64(len(b))
	if err := w.put(e.Name, b); err != nil {
		return err
	}
	w.names[e.Name] = true
	w.total += e.Bytes
	w.manifest.Entries = append(w.manifest.Entries, e)
	return nil
}

// Unseen notes what could not be collected, and why.
func (w *Writer) Unseen(what string, err error) {
	w.manifest.Unseen = append(w.manifest.Unseen, fmt.Sprintf("%s: %v", what, err))
}

func (w *Writer) put(name string, b []byte) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(b)), ModTime: w.manifest.Made, Format: tar.FormatPAX}
	if err := w.tar.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.tar.Write(b)
	return err
}

// Close completes the archive, syncs it and gives it its name.
func (w *Writer) Close() (m Manifest, err error) {
	defer os.Remove(w.file.Name()) // gone after the link
	b, err := json.MarshalIndent(w.manifest, "", " ")
	if err == nil {
		err = w.put(ManifestName, b)
	}
	err = errors.Join(err, closeAll(w.tar, w.zip), w.file.Sync(), w.file.Close())
	if err != nil {
		return w.manifest, err
	}
	return w.manifest, os.Link(w.file.Name(), w.path) // replaces nothing
}

// Abandon leaves nothing behind.
func (w *Writer) Abandon() error { return errors.Join(w.file.Close(), os.Remove(w.file.Name())) }

func closeAll(all ...io.Closer) (err error) {
	for _, c := range all {
		err = errors.Join(err, c.Close())
	}
	return err
}
