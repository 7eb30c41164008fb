package consolelog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A Manifest says what one file of the archive holds. It lies beside that
// file, NAME.zst, as NAME.STATE.json: what was removed from the log is told by
// a rename.
type Manifest struct {
	Schema     int       `json:"schema"`
	Log        string    `json:"log"`
	Device     uint64    `json:"device"`
	Inode      uint64    `json:"inode"`
	From       int64     `json:"from"` // the range of the log at that time
	To         int64     `json:"to"`
	Compressed int64     `json:"compressed"`
	SHA256     string    `json:"sha256"` // of the compressed file
	Marks      []Mark    `json:"marks"`
	Created    time.Time `json:"created"`
	State      string    `json:"-"` // from its name

	base string // its path without .STATE.json
}

// A Mark is the hash of a small part of the range, by which it is known again.
type Mark struct {
	At     int64  `json:"at"`
	SHA256 string `json:"sha256"`
}

// The states of a Manifest.
const (
	Archived   = "archived"   // the bytes are in the archive, and perhaps still in the log
	Removed    = "removed"    // and no longer in the log
	Superseded = "superseded" // the log was changed by others before they were removed
)

const (
	manifestSchema = 1
	marks          = 16
	markBytes      = 4 << 10
	maxManifest    = 64 << 10
)

// markRange hashes small parts of a range: its first, its last, and some in
// between.
func markRange(r io.ReaderAt, from, to int64) ([]Mark, error) {
	var out []Mark
	last := max(from, to-markBytes)
	for i := range int64(marks) {
		at := from + (last-from)/(marks-1)*i
		if i == marks-1 {
			at = last
		}
		b, err := markAt(r, at, to)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		out = append(out, Mark{at, hex.EncodeToString(sum[:])})
	}
	return out, nil
}

func markAt(r io.ReaderAt, at, to int64) ([]byte, error) {
	b := make([]byte, min(markBytes, to-at))
	if _, err := r.ReadAt(b, at); errors.Is(err, io.EOF) {
		return nil, errShort
	} else if err != nil {
		return nil, err
	}
	return b, nil
}

// still reports whether the range holds what was archived, or zeros where it
// was removed already.
func (m *Manifest) still(r io.ReaderAt) (bool, error) {
	for _, k := range m.Marks {
		b, err := markAt(r, k.At, m.To)
		if errors.Is(err, errShort) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != k.SHA256 && len(withoutNUL(b)) > 0 {
			return false, nil
		}
	}
	return true, nil
}

// sane holds a manifest that is read back to what one can be.
func (m *Manifest) sane() error {
	if m.Schema != manifestSchema || m.From < 0 || m.To <= m.From || len(m.Marks) != marks {
		return errors.New("not a manifest of this version")
	}
	for _, k := range m.Marks {
		if k.At < m.From || k.At >= m.To {
			return errors.New("a mark lies outside of the range")
		}
	}
	return nil
}

// split takes the state off a manifest's path.
func split(path string) (base, state string, ok bool) {
	for _, state := range []string{Archived, Removed, Superseded} {
		if base, ok := strings.CutSuffix(path, "."+state+".json"); ok {
			return base, state, true
		}
	}
	return "", "", false
}

// Archive is the file that the manifest is of.
func (m *Manifest) Archive() string { return m.base + ".zst" }

// ReadManifest reads one manifest. The error is compatible with
// errors.Is(err, fs.ErrNotExist) if there is none.
func ReadManifest(path string) (*Manifest, error) {
	base, state, ok := split(path)
	if !ok {
		return nil, fmt.Errorf("consolelog: %s is not the name of a manifest", path)
	}
	f, err := openLog(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := &Manifest{State: state, base: base}
	if err = json.NewDecoder(io.LimitReader(f, maxManifest)).Decode(m); err == nil {
		err = m.sane()
	}
	if err != nil {
		return nil, fmt.Errorf("consolelog: manifest %s: %w", path, err)
	}
	return m, nil
}

func (m *Manifest) path() string { return m.base + "." + m.State + ".json" }

// write puts a new manifest in its place at once, and on disk.
func (m *Manifest) write() error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	tmp := m.path() + ".partial"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, m.path()); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(m.base))
}

// set notes another state, on disk.
func (m *Manifest) set(state string) error {
	before := m.path()
	m.State = state
	if err := os.Rename(before, m.path()); err != nil {
		return fmt.Errorf("consolelog: archive: %w", err)
	}
	return syncFolder(filepath.Dir(m.base))
}

// pending reads the manifests of what is archived and may still be in the log.
func pending(folder string, id fileID) ([]*Manifest, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []*Manifest
	for _, e := range entries {
		if _, state, ok := split(e.Name()); !ok || state != Archived {
			continue
		}
		m, err := ReadManifest(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, err
		}
		if m.Device == id.dev && m.Inode == id.ino {
			out = append(out, m)
		}
	}
	return out, nil
}

// syncFolder puts names on disk.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
