package dbarchive

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A Manifest describes one file of rows. NAME.json lies beside NAME.jsonl.zst,
// whose lines are {"table": ..., "row": {column: text, null or {"base64": ...}}}.
// Whether a tree of a file counts is written in the cell (stackmend_moves): one
// that was restored since is still in the file.
type Manifest struct {
	Schema    int              `json:"schema"`
	Cell      string           `json:"cell"`
	CellUUID  string           `json:"cell_uuid"`
	Created   time.Time        `json:"created"`
	Rows      map[string]int64 `json:"rows"`      // by table
	Bytes     int64            `json:"bytes"`     // of the compressed file
	SHA256    string           `json:"sha256"`    // of the compressed file
	Content   string           `json:"content"`   // SHA-256 of its lines
	Instances []string         `json:"instances"` // whose trees the file holds
}

const manifestSchema = 1

// files is a depot of files, all of mode 0600. What they are called never
// comes from a database.
type files struct {
	root *os.Root
	tree *tree
}

func openFiles(dir string, l *layout) (*files, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("dbarchive: %w", err)
	}
	return &files{root, l.tree}, nil
}

func (d *files) close() { d.root.Close() }

func (d *files) create(name string) (*os.File, error) {
	return d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// put writes, syncs, reads back and only then names the file.
func (d *files) put(ctx context.Context, src *session, l lot) (receipt, error) {
	m := Manifest{Schema: manifestSchema, Cell: l.cell.Name, CellUUID: l.cell.UUID, Created: time.Now().UTC(), Rows: map[string]int64{}}
	r, err := d.write(ctx, src, l, &m)
	if err == nil {
		err = d.describe(l.name, m)
	}
	if err != nil {
		return r, fmt.Errorf("dbarchive: file %s: %w", l.name, err)
	}
	return r, nil
}

func (d *files) write(ctx context.Context, src *session, l lot, m *Manifest) (r receipt, err error) {
	f, err := d.create(l.name + ".partial")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := zstd.NewWriter(f, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return r, err
	}
	sum := newTally()
	for _, p := range l.parts {
		before := sum.rows
		err := p.each(ctx, src, src.schema, forUpdate, func(row rowText) error {
			if p.table.Name == instances {
				m.Instances = append(m.Instances, string(row["uuid"].value))
			}
			b, err := sum.add(p.table.Name, row)
			if err == nil {
				_, err = z.Write(b)
			}
			return err
		})
		if err != nil {
			return r, errors.Join(err, z.Close())
		}
		r.rows = append(r.rows, sum.rows-before)
		m.Rows[p.table.Name] += sum.rows - before
	}
	if err := errors.Join(z.Close(), f.Sync()); err != nil {
		return r, err
	}
	m.Content = sum.content()
	m.Bytes, r.digest, err = readBack(f, sum)
	m.SHA256 = r.digest
	return r, err
}

// readBack proves a file by what it holds.
func readBack(f *os.File, want *tally) (size int64, digest string, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, "", err
	}
	packed, content := sha256.New(), newTally()
	err = eachLine(io.TeeReader(f, packed), func(b []byte) error {
		content.rows++
		content.sum.Write(b)
		return nil
	})
	if err == nil {
		err = want.prove(f.Name(), content)
	}
	if err != nil {
		return 0, "", err
	}
	size, err = f.Seek(0, io.SeekEnd)
	return size, hex.EncodeToString(packed.Sum(nil)), err
}

// describe gives the file its name, and then its manifest beside it.
func (d *files) describe(name string, m Manifest) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	f, err := d.create(name + ".json.partial")
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := errors.Join(d.root.Rename(name+".partial", name+".jsonl.zst"), d.root.Rename(name+".json.partial", name+".json")); err != nil {
		return err
	}
	return d.sync()
}

// sync makes the names in the folder durable.
func (d *files) sync() error {
	f, err := d.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *files) drop(_ context.Context, name string, _ []move, all bool) error {
	if !all {
		return nil // other trees of the file count
	}
	for _, suffix := range []string{".jsonl.zst", ".json", ".partial", ".json.partial"} {
		if err := d.root.Remove(name + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return d.sync()
}

// get reads a tree out of a file that is still the one which was written.
func (d *files) get(_ context.Context, name string, m move, each func(string, rowText) error) error {
	f, err := d.root.Open(name + ".jsonl.zst")
	if err != nil {
		return fmt.Errorf("dbarchive: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return fmt.Errorf("dbarchive: %w", err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != m.digest {
		return fmt.Errorf("dbarchive: %s is not the file that was written: its SHA-256 is another one", f.Name())
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	pick := d.tree.picker(m.uuid)
	return eachLine(f, func(b []byte) error {
		var l line
		if err := json.Unmarshal(b, &l); err != nil {
			return fmt.Errorf("dbarchive: %s: %w", f.Name(), err)
		}
		if !pick(l) {
			return nil
		}
		return each(l.Table, l.Row)
	})
}

// picker tells which lines belong to an instance. Parents come before their
// children.
func (t *tree) picker(uuid string) func(line) bool {
	parents := map[*member]map[string]bool{}
	return func(l line) bool {
		m := t.member(l.Table)
		if m == nil {
			return false
		}
		of := string(l.Row[m.column].value)
		if m.parent == nil && !strings.EqualFold(of, uuid) || m.parent != nil && !parents[m.parent][of] {
			return false
		}
		if parents[m] == nil {
			parents[m] = map[string]bool{}
		}
		parents[m][string(l.Row[m.table.key()].value)] = true
		return true
	}
}

// eachLine hands on the lines of a compressed file, each with its end. One
// that is cut is an error.
func eachLine(r io.Reader, f func([]byte) error) error {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return err
	}
	defer z.Close()
	in := bufio.NewReaderSize(z, 64<<10)
	for {
		b, err := in.ReadBytes('\n')
		switch {
		case err == io.EOF && len(b) == 0:
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		if err := f(b); err != nil {
			return err
		}
	}
}
