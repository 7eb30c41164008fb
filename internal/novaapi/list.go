package novaapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"
)

// maxRow bounds the memory that one value of a list may take. A server of
// nova is a few KiB; its user data at most 64 KiB.
const maxRow = 4 << 20

// What cannot be a list at all.
var (
	// ErrNotList: no JSON object that holds the list asked for.
	ErrNotList = errors.New("not the list asked for")
	// ErrDenied: the API's own refusal in place of a list.
	ErrDenied = errors.New("the API refused")
	// ErrRow: a value that is larger than any of the API's.
	ErrRow = errors.New("larger than the API's rows ever are")
)

// Page says of a list what its rows do not.
type Page struct {
	Rows int
	Cut  bool   // it ends in the middle
	Next string // link to a further page; empty: the last one

	// What whoever kept the list may have added beside it. The API never
	// sends these.
	At           time.Time  // "at"
	Query        url.Values // "query": what the list was asked with; nil: not said
	Microversion string     // "microversion"
}

// ReadServices gives the rows of os-services to each, one at a time.
func ReadServices(r io.Reader, each func(Service)) (Page, error) {
	return read(r, "services", each)
}

// ReadServers gives the rows of servers/detail to each, one at a time.
func ReadServers(r io.Reader, each func(Server)) (Page, error) {
	return read(r, "servers", each)
}

// read walks one JSON object. A list that is cut gives the rows before the
// cut, and Page.Cut.
func read[T any](r io.Reader, list string, each func(T)) (Page, error) {
	w := &walk{limit: &limitReader{r: r}}
	w.dec = json.NewDecoder(w.limit)
	err := w.object(func(key string) error {
		if key != list {
			return w.other(key, list)
		}
		w.found = true
		return w.array(func() error {
			var row T
			if err := w.value(&row); err != nil {
				return err
			}
			w.page.Rows++
			each(row)
			return nil
		})
	})
	return w.end(list, err)
}

// walk is the state of one reading.
type walk struct {
	dec    *json.Decoder
	limit  *limitReader
	page   Page
	found  bool  // the list
	denied error // a body of an error
}

func (w *walk) end(list string, err error) (Page, error) {
	if err == nil {
		err = w.rest()
	}
	switch {
	case w.limit.err != nil:
		return w.page, w.limit.err
	case err == nil && w.found:
		return w.page, nil
	case err == nil && w.denied != nil:
		return w.page, w.denied
	case err == nil:
		return w.page, fmt.Errorf("%w: no %q in it", ErrNotList, list)
	case w.found && isCut(err):
		w.page.Cut = true
		return w.page, nil
	default:
		return w.page, fmt.Errorf("%w: row %d: %w", ErrNotList, w.page.Rows+1, err)
	}
}

// isCut tells an end in the middle from what is no JSON.
func isCut(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// rest refuses what follows the object: two answers in one file.
func (w *walk) rest() error {
	if _, err := w.dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the end of the list")
	}
	return nil
}

// object calls member at each value of an object.
func (w *walk) object(member func(key string) error) error {
	if err := w.delim('{'); err != nil {
		return err
	}
	for w.dec.More() {
		w.limit.renew()
		tok, err := w.dec.Token()
		if err != nil {
			return err
		}
		key, _ := tok.(string)
		if err := member(key); err != nil {
			return err
		}
	}
	return w.delim('}')
}

func (w *walk) array(element func() error) error {
	if err := w.delim('['); err != nil {
		return err
	}
	for w.dec.More() {
		if err := element(); err != nil {
			return err
		}
	}
	return w.delim(']')
}

func (w *walk) delim(want json.Delim) error {
	w.limit.renew()
	tok, err := w.dec.Token()
	if err != nil {
		return err
	}
	if tok != want {
		return fmt.Errorf("%.40q in place of %q", fmt.Sprint(tok), want)
	}
	return nil
}

// value decodes one value of bounded size.
func (w *walk) value(v any) error {
	w.limit.renew()
	return w.dec.Decode(v)
}

// other takes what stands beside the list.
func (w *walk) other(key, list string) error {
	switch key {
	case list + "_links":
		return w.links()
	case "at":
		return w.at()
	case "query":
		return w.query()
	case "microversion":
		return w.value(&w.page.Microversion)
	}
	var fault struct {
		Code    int
		Message string
	}
	var raw json.RawMessage
	if err := w.value(&raw); err != nil {
		return err
	}
	// {"forbidden": {"code": 403, "message": ...}}, {"error": {...}} of keystone
	if json.Unmarshal(raw, &fault) == nil && fault.Code != 0 {
		w.denied = fmt.Errorf("%w: %d %s: %.200s", ErrDenied, fault.Code, key, fault.Message)
	}
	return nil
}

func (w *walk) links() error {
	var links []struct{ Rel, Href string }
	if err := w.value(&links); err != nil {
		return err
	}
	for _, l := range links {
		if l.Rel == "next" {
			w.page.Next = l.Href
		}
	}
	return nil
}

func (w *walk) at() (err error) {
	var s string
	if err := w.value(&s); err != nil {
		return err
	}
	w.page.At, err = time.Parse(time.RFC3339, s)
	return err
}

func (w *walk) query() (err error) {
	var s string
	if err := w.value(&s); err != nil {
		return err
	}
	w.page.Query, err = url.ParseQuery(s)
	return err
}

// limitReader refuses to read more than maxRow between two renewals.
type limitReader struct {
	r    io.Reader
	left int
	err  error
}

func (l *limitReader) renew() { l.left = maxRow }

func (l *limitReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		l.err = fmt.Errorf("%w: over %d bytes", ErrRow, maxRow)
		return 0, l.err
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
	}
	return n, err
}
