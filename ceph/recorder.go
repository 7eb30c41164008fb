package ceph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/stackmend/stackmend"
)

// A Recorder is a Commander that writes down what another one answers, so that
// [Recorded] can replay it. Secrets are removed: cephx keys wherever they
// stand, and the values of settings whose names speak of passwords, secrets,
// tokens or keys. Addresses, host names and pool names stay.
type Recorder struct {
	next Commander
	root *os.Root
}

// NewRecorder begins a recording in an empty folder. The files are readable by
// their owner alone.
func NewRecorder(next Commander, root *os.Root, now time.Time) (*Recorder, error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if names, err := d.Readdirnames(1); err != io.EOF {
		return nil, fmt.Errorf("ceph: %s is not an empty folder (%q): %w", root.Name(), names, errors.Join(err, os.ErrExist))
	}
	b, err := json.Marshal(recording{Schema: 1, Taken: now.UTC()})
	if err != nil {
		return nil, err
	}
	return &Recorder{next, root}, writeFile(root, "recording.json", b)
}

func writeFile(root *os.Root, name string, b []byte) error {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// Command puts the command on to the other Commander and records the answer
// while it is read.
func (r *Recorder) Command(ctx context.Context, c Command) (io.ReadCloser, error) {
	body, err := r.next.Command(ctx, c)
	if err != nil {
		return nil, errors.Join(err, r.failed(c, err))
	}
	name := c.file() + c.ext()
	f, err := r.root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ceph: recording %s: %w", name, err), body.Close())
	}
	return &taped{body: body, asked: c, to: r, scrub: newScrubber(f), file: f}, nil
}

// failed writes down how a command failed.
func (r *Recorder) failed(c Command, err error) error {
	var ce *CommandError
	rec := recordedError{Lost: errors.Is(err, stackmend.ErrUncertain)}
	if errors.As(err, &ce) {
		rec.Code, rec.Status = ce.Code, string(mask([]byte(ce.Status)))
	}
	if rec.Status == "" {
		rec.Status = string(mask([]byte(err.Error())))
	}
	b, jerr := json.Marshal(rec)
	if jerr != nil {
		return jerr
	}
	// An answer to the same command that was recorded before is not the last word.
	if rerr := r.root.Remove(c.file() + c.ext()); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		return rerr
	}
	return writeFile(r.root, c.file()+".error", b)
}

// taped is an answer that is written down while it is read.
type taped struct {
	body  io.ReadCloser
	asked Command
	to    *Recorder
	scrub *scrubber
	file  *os.File
	ended bool
}

func (t *taped) Read(p []byte) (int, error) {
	n, err := t.body.Read(p)
	if _, werr := t.scrub.Write(p[:n]); werr != nil {
		return n, fmt.Errorf("ceph: recording %s: %w", t.asked, werr)
	}
	if err != nil && !t.ended {
		t.ended = true
		if err != io.EOF {
			if werr := t.discard(err); werr != nil {
				return n, errors.Join(err, werr)
			}
		}
	}
	return n, err
}

// discard replaces the body of a command that failed by its error.
func (t *taped) discard(err error) error {
	t.scrub.drop()
	return t.to.failed(t.asked, err)
}

// Close ends the answer. One that was not read to its end is recorded as lost:
// half an answer replayed would be taken for a whole one.
func (t *taped) Close() error {
	var err error
	if !t.ended {
		t.ended = true
		err = t.discard(stackmend.ErrUncertain)
	}
	return errors.Join(err, t.scrub.Close(), t.file.Close(), t.body.Close())
}
