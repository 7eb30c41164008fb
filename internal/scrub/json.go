package scrub

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// name is a member of JSON whose text nobody else should see.
var name = regexp.MustCompile(`(?i)^(?:` + names + `|adminpass|x-(?:auth|subject|service)-token|authorization)$`)

// JSON returns the one value in b without secrets, and how many there were.
// Texts within it are looked at like those of a log. It stays valid, and its
// numbers stay as they are; the order of its members does not.
func JSON(b []byte) ([]byte, int, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, 0, err
	}
	n := 0
	v = without(v, &n)
	out, err := json.MarshalIndent(v, "", " ")
	return out, n, err
}

// without replaces what is secret in v, and counts it.
func without(v any, n *int) any {
	switch v := v.(type) {
	case string:
		out, found := Text([]byte(v))
		*n += found
		return string(out)
	case []any:
		for i := range v {
			v[i] = without(v[i], n)
		}
	case map[string]any:
		members(v, n)
	}
	return v
}

func members(m map[string]any, n *int) {
	for k, e := range m {
		if s, ok := e.(string); ok && s != "" && s != Removed && (name.MatchString(k) || isValue(m, k)) {
			m[k] = Removed
			*n++
			continue
		}
		m[k] = without(e, n)
	}
}

// isValue tells the value of {"name": "db_password", "value": "..."}.
func isValue(m map[string]any, k string) bool {
	if !strings.EqualFold(k, "value") {
		return false
	}
	for _, of := range []string{"name", "Name", "key", "Key"} {
		if s, ok := m[of].(string); ok && name.MatchString(s) {
			return true
		}
	}
	return false
}
