package ceph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxAnswer bounds an answer that is kept whole. `osd dump` of 5,000 OSDs has
// some 12 MB; only `pg dump`, which is decoded in a stream, may be larger.
const maxAnswer = 128 << 20

// errTooLarge: an answer that no healthy daemon gives.
var errTooLarge = fmt.Errorf("ceph: answer larger than %d MiB", maxAnswer>>20)

// Answer is the answer of a command that came whole: its body, and how it
// ended (nil: well). For the Commanders of other packages.
func Answer(body []byte, err error) io.ReadCloser {
	return &whole{bytes.NewReader(body), err}
}

type whole struct {
	*bytes.Reader
	err error
}

func (w *whole) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err == io.EOF && w.err != nil {
		err = w.err
	}
	return n, err
}

func (w *whole) WriteTo(dst io.Writer) (int64, error) { // or bytes.Reader's would hide err
	n, err := w.Reader.WriteTo(dst)
	if err == nil {
		err = w.err
	}
	return n, err
}

func (w *whole) Close() error { return nil }

// Ask puts a command and reads its whole answer. The body may hold something
// beside an error.
func Ask(ctx context.Context, to Commander, c Command) ([]byte, error) {
	r, err := to.Command(ctx, c)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	body, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = errTooLarge
	}
	return body, err
}

// decodeJSON reads one JSON value and nothing after it. The reader's own
// error, which says how the command ended, comes first.
func decodeJSON(r io.Reader, v any) error {
	body, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	switch {
	case err != nil:
		return err
	case len(body) > maxAnswer:
		return errTooLarge
	}
	return notJSON(body, json.Unmarshal(body, v))
}

// notJSON explains a syntax error with the beginning of what was there.
func notJSON(body []byte, err error) error {
	if err == nil {
		return nil
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Errorf("ceph: unexpected form of the answer: %w", err)
	}
	if text := bytes.TrimSpace(body); len(text) == 0 {
		return errors.New("ceph: an empty answer where JSON was expected")
	}
	return fmt.Errorf("ceph: not JSON (it begins %q): %w", clip(body, 60), err)
}

// clip is the beginning of b, for a message.
func clip(b []byte, n int) []byte {
	if b = bytes.TrimSpace(b); len(b) > n {
		return b[:n]
	}
	return b
}
