package ceph

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
)

// removed stands in a recording where a secret was.
const removed = "(removed)"

// cephxKey is what a cephx secret looks like in base64: 28 bytes that begin
// with type 1, little endian (src/auth/Crypto.cc, CryptoKey::encode).
var cephxKey = regexp.MustCompile(`AQ[A-Za-z0-9+/]{36}==`)

// secretName is the name of a setting whose value nobody else should see.
var secretName = regexp.MustCompile(`(?i)passw|secret|token|credential|private|(^|_)keys?$|access_key|api_key`)

func mask(b []byte) []byte { return cephxKey.ReplaceAll(b, []byte(removed)) }

// scrubber removes secrets from what is written through it. Up to whole bytes
// are held back and looked at as JSON; of more (a `pg dump`, in which nothing
// has such a name) only keys are masked.
type scrubber struct {
	w       io.Writer
	buf     []byte
	large   bool
	dropped bool
}

const wholeAnswer = 16 << 20

func newScrubber(w io.Writer) *scrubber { return &scrubber{w: w} }

func (s *scrubber) Write(p []byte) (int, error) {
	if s.dropped {
		return len(p), nil
	}
	s.buf = append(s.buf, p...)
	s.large = s.large || len(s.buf) > wholeAnswer
	if !s.large || len(s.buf) < 64<<10 {
		return len(p), nil
	}
	// A key that lies across the border stays behind for the next write.
	out := mask(s.buf)
	keep := min(64, len(out))
	_, err := s.w.Write(out[:len(out)-keep])
	s.buf = append(s.buf[:0], out[len(out)-keep:]...)
	return len(p), err
}

// drop forgets what is held back.
func (s *scrubber) drop() { s.dropped, s.buf = true, nil }

// Close writes what was held back.
func (s *scrubber) Close() error {
	if s.dropped {
		return nil
	}
	out := s.buf
	if !s.large {
		out = withoutSecrets(out)
	}
	_, err := s.w.Write(mask(out))
	s.buf = nil
	return err
}

// withoutSecrets removes the values of telling names from JSON. What is not
// JSON is left as it is.
func withoutSecrets(b []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || !scrubValue(v) {
		return b
	}
	out, err := json.Marshal(v)
	if err != nil {
		return b
	}
	return out
}

// scrubValue replaces secrets within v and reports whether there were any.
func scrubValue(v any) (found bool) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			found = scrubValue(e) || found
		}
	case map[string]any:
		found = scrubEntry(v)
		for k, e := range v {
			if s, ok := e.(string); ok && s != "" && s != removed && secretName.MatchString(k) {
				v[k], found = removed, true
			}
			found = scrubValue(e) || found
		}
	}
	return found
}

// scrubEntry looks at {"name": "..password", "value": ".."} of config dump.
func scrubEntry(m map[string]any) bool {
	name, ok := m["name"].(string)
	if !ok || !secretName.MatchString(name) {
		return false
	}
	if s, ok := m["value"].(string); !ok || s == "" {
		return false
	}
	m["value"] = removed
	return true
}
