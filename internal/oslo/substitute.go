package oslo

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxReferences = 10_000  // in one value, those of referenced values included
	maxDepth      = 100     // references that lead to references
	maxValue      = 1 << 20 // bytes, once references are replaced
)

// resolver replaces the references of one value.
type resolver struct {
	c     *Config
	trail []Option // that led here
	count int
}

func (c *Config) substitute(raw, group string) (string, error) {
	return (&resolver{c: c}).substitute(raw, group)
}

// substitute replaces `$name`, `${name}`, `$group.name` and `$$` as
// oslo.config's string.Template does. A dollar sign before anything else
// stays.
func (r *resolver) substitute(s, group string) (string, error) {
	s = strings.ReplaceAll(s, `\$`, "$$")
	var out strings.Builder
	for {
		plain, rest, found := strings.Cut(s, "$")
		out.WriteString(plain)
		if out.Len() > maxValue {
			return "", fmt.Errorf("%w: over %d bytes once references are replaced", ErrValue, maxValue)
		}
		if !found {
			return out.String(), nil
		}
		v, after, err := r.dollar(rest, group)
		if err != nil {
			return "", err
		}
		out.WriteString(v)
		s = after
	}
}

// dollar is what stands for a dollar sign and what follows it.
func (r *resolver) dollar(s, group string) (value, rest string, err error) {
	if rest, ok := strings.CutPrefix(s, "$"); ok {
		return "$", rest, nil
	}
	name, rest, ok := reference(s)
	if !ok {
		return "$", s, nil
	}
	value, err = r.resolve(name, group)
	return value, rest, err
}

// reference takes the name after a dollar sign.
func reference(s string) (name, rest string, ok bool) {
	if inner, braced := strings.CutPrefix(s, "{"); braced {
		n := identifier(inner)
		if n == 0 || !strings.HasPrefix(inner[n:], "}") {
			return "", s, false
		}
		return inner[:n], inner[n+1:], true
	}
	n := identifier(s)
	return s[:n], s[n:], n > 0
}

// identifier is the length of the name that s begins with: [_a-z][\._a-z0-9]*
// without regard to case.
func identifier(s string) (n int) {
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if !isLetter(r) && (n == 0 || r != '.' && (r < '0' || r > '9')) {
			break
		}
		n += size
	}
	return n
}

// isLetter is Python's [_a-z] without regard to case: the dotted and the
// dotless i, the long s and the Kelvin sign are cases of i, s and k to it.
func isLetter(r rune) bool {
	return r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("İıſ\u212a", r)
}

// errNoOption is an ErrReference that oslo.config calls NoSuchOptError.
var errNoOption = fmt.Errorf("%w: no such option", ErrReference)

// resolve is the value of the option that a reference names: of the group of
// the option that refers to it, else of DEFAULT. As in oslo.config, DEFAULT
// stands in as well for a value that refers to nothing itself.
func (r *resolver) resolve(name, group string) (string, error) {
	if g, n, dotted := strings.Cut(name, "."); dotted {
		if g == "DEFAULT" || !r.c.hasGroup(g) {
			return "", fmt.Errorf("%w: $%s: no such group", ErrReference, name)
		}
		return r.follow(Option{g, n}, name)
	}
	v, err := r.follow(Option{group, name}, name)
	if errors.Is(err, errNoOption) && group != "DEFAULT" {
		return r.follow(Option{"DEFAULT", name}, name)
	}
	return v, err
}

// follow is the value of an option, reached by a reference.
func (r *resolver) follow(o Option, name string) (string, error) {
	raw, found := r.c.raw(o)
	if !found {
		return "", fmt.Errorf("%w: $%s", errNoOption, name)
	}
	if r.count++; r.count > maxReferences || len(r.trail) >= maxDepth || slices.Contains(r.trail, o) {
		return "", fmt.Errorf("%w: $%s leads back to itself, or to too many others", ErrReference, name)
	}
	r.trail = append(r.trail, o)
	defer func() { r.trail = r.trail[:len(r.trail)-1] }()
	return r.substitute(raw, o.Group)
}

// hasGroup: references name groups in lower case alone.
func (c *Config) hasGroup(group string) bool {
	for _, f := range c.files {
		if f[group] != nil {
			return true
		}
	}
	for o := range c.defaults {
		if o.Group == group {
			return true
		}
	}
	return false
}
