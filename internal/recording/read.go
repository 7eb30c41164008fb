package recording

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/stackmend/stackmend"
)

// An Archive is one that was read back, in a temporary folder.
type Archive struct {
	Manifest Manifest
	Dir      string // with the entries as files
}

// Open unpacks an archive. One that is damaged, that leaves its folder, or
// that holds more than an archive may is refused whole, with an error
// compatible with stackmend.ErrRefused.
func Open(path string) (*Archive, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	dir, err := os.MkdirTemp("", "recording-*")
	if err != nil {
		return nil, err
	}
	a := &Archive{Dir: dir}
	if err := a.unpack(f); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s is not a recording that can be read: %w", stackmend.ErrRefused, path, err), a.Close())
	}
	return a, nil
}

// Close removes the folder.
func (a *Archive) Close() error { return os.RemoveAll(a.Dir) }

// Snapshot decodes what a check had observed into seen. An archive without it
// gives an error compatible with fs.ErrNotExist.
func (a *Archive) Snapshot(check string, seen any) error {
	return a.decode(SnapshotName(check), seen)
}

// decode is strict: a field that is not known was seen by another version,
// which would have judged it.
func (a *Archive) decode(name string, v any) error {
	root, err := os.OpenRoot(a.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	d := json.NewDecoder(bufio.NewReader(f))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %s: %w", stackmend.ErrRefused, name, err)
	}
	return nil
}

func (a *Archive) unpack(r io.Reader) error {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(a.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	t := tar.NewReader(zip)
	left := int64(MaxTotal)
	for n := 0; ; n++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if left -= h.Size; left < 0 || n > MaxEntries {
			return errors.New("it holds more than an archive may")
		}
		if err := extract(root, h, t); err != nil {
			return err
		}
	}
	if err := end(zip); err != nil {
		return err
	}
	if err := a.decode(ManifestName, &a.Manifest); err != nil {
		return err
	}
	if a.Manifest.Schema != Schema {
		return fmt.Errorf("schema %d, not %d", a.Manifest.Schema, Schema)
	}
	return nil
}

// end reads what pads the archive, and so the checksum after it.
func end(zip io.Reader) error {
	const most = 1 << 20
	n, err := io.Copy(io.Discard, io.LimitReader(zip, most))
	if n == most {
		return errors.New("it goes on after its end")
	}
	return err
}

// extract writes one entry, which must be a plain file that is not yet there.
func extract(root *os.Root, h *tar.Header, r io.Reader) error {
	if h.Typeflag != tar.TypeReg || !fs.ValidPath(h.Name) || h.Name == "." || h.Size > MaxEntry {
		return fmt.Errorf("entry %q of type %q and %d bytes", h.Name, h.Typeflag, h.Size)
	}
	if err := root.MkdirAll(path.Dir(h.Name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, r, h.Size)
	return errors.Join(err, f.Close())
}
