package pglog

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
)

// A Version of a log is an epoch and a number: 70'1094 (eversion_t).
type Version struct{ Epoch, Number uint64 }

func (v Version) String() string { return fmt.Sprintf("%d'%d", v.Epoch, v.Number) }

// Before orders versions.
func (v Version) Before(w Version) bool {
	return v.Epoch < w.Epoch || v.Epoch == w.Epoch && v.Number < w.Number
}

// ParseVersion reads 70'1094.
func ParseVersion(s string) (Version, error) {
	e, n, ok := strings.Cut(s, "'")
	epoch, err1 := strconv.ParseUint(e, 10, 32)
	number, err2 := strconv.ParseUint(n, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return Version{}, fmt.Errorf("pglog: %.40q is not a version of a log", s)
	}
	return Version{epoch, number}, nil
}

// A Log is what is kept of `ceph-objectstore-tool --op log`.
type Log struct {
	Head, Tail Version
	Entries    []Entry
	Dups       int64
}

// An Entry is its version and a hash of all of it.
type Entry struct {
	Version Version
	Hash    uint64
}

// ReadLog reads a log in a stream: there may be tens of millions of dups.
func ReadLog(r io.Reader) (*Log, error) {
	d := json.NewDecoder(r)
	var l Log
	var heads [2]bool
	err := object(d, func(key string) error {
		if key != "pg_log_t" {
			return skip(d)
		}
		return object(d, func(key string) (err error) {
			switch key {
			case "head":
				heads[0] = true
				return readVersion(d, &l.Head)
			case "tail":
				heads[1] = true
				return readVersion(d, &l.Tail)
			case "log":
				return array(d, l.entry)
			case "dups":
				return array(d, func(json.RawMessage) error { l.Dups++; return nil })
			}
			return skip(d)
		})
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("pglog: the log: %w", err)
	case !heads[0] || !heads[1]:
		return nil, errors.New("pglog: a log without head and tail")
	}
	return &l, nil
}

func (l *Log) entry(raw json.RawMessage) error {
	var e struct{ Version string }
	if err := json.Unmarshal(raw, &e); err != nil {
		return err
	}
	v, err := ParseVersion(e.Version)
	if err != nil {
		return err
	}
	h := fnv.New64a()
	h.Write(raw) //nolint:errcheck // a hash takes everything
	l.Entries = append(l.Entries, Entry{v, h.Sum64()})
	return nil
}

func readVersion(d *json.Decoder, v *Version) error {
	var s string
	if err := d.Decode(&s); err != nil {
		return err
	}
	var err error
	*v, err = ParseVersion(s)
	return err
}

func skip(d *json.Decoder) error {
	var v json.RawMessage
	return d.Decode(&v)
}

// object calls f at the value of each key.
func object(d *json.Decoder, f func(key string) error) error {
	if err := delim(d, '{'); err != nil {
		return err
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			return fmt.Errorf("%v where a key was expected", t)
		}
		if err := f(key); err != nil {
			return err
		}
	}
	return delim(d, '}')
}

// array calls f with each element.
func array(d *json.Decoder, f func(json.RawMessage) error) error {
	if err := delim(d, '['); err != nil {
		return err
	}
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		if err := f(raw); err != nil {
			return err
		}
	}
	return delim(d, ']')
}

func delim(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err == nil && t != want {
		err = fmt.Errorf("%v where %v was expected", t, want)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Trimmed is where the tail will be, and what will remain, once the log is
// trimmed to at most so many entries: the tool removes what is at or before the
// head's number less max. ok is false if nothing is to be trimmed.
func (l *Log) Trimmed(max int64) (tail Version, remain []Entry, ok bool) {
	if max < 1 || l.Head.Number < l.Tail.Number || l.Head.Number-l.Tail.Number <= uint64(max) {
		return l.Tail, l.Entries, false
	}
	limit := l.Head.Number - uint64(max)
	tail, remain = l.Tail, l.Entries
	for len(remain) > 0 && remain[0].Version.Number <= limit {
		tail, remain, ok = remain[0].Version, remain[1:], true
	}
	return tail, remain, ok
}
