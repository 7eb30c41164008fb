// Package oslo reads configuration files as oslo.config does: repeated keys,
// `$name` references, continuation lines, the order of --config-file and
// --config-dir. A plain ini library gets them wrong. What a service is told on
// its command line or in its environment (OS_GROUP__OPTION) is not looked at,
// and a reference puts in the text of a value, not its type's spelling.
//
// It relies on oslo_config/iniparser.py and cfg.py of oslo.config 9.0.0:
// https://opendev.org/openstack/oslo.config/src/tag/9.0.0/oslo_config
package oslo

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFile bounds what is read of one file.
const maxFile = 16 << 20

// ErrSyntax: a file that oslo.config would refuse as well.
var ErrSyntax = errors.New("oslo: not a configuration file")

// sections holds the values of one file in their order: group, option.
type sections map[string]map[string][]string

// parser is the state between two lines.
type parser struct {
	name    string
	line    int
	section string
	key     string
	value   []string // lines of the value that is open
	out     sections
}

func parse(name string, r io.Reader) (sections, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("oslo: %s: %w", name, err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%w: %s is larger than %d bytes", ErrSyntax, name, maxFile)
	}
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("%w: %s is not UTF-8", ErrSyntax, name)
	}
	p := &parser{name: name, out: sections{}}
	for _, line := range strings.Split(newlines.Replace(string(b)), "\n") {
		p.line++
		if err := p.take(strings.TrimRightFunc(line, isSpace)); err != nil {
			return nil, err
		}
	}
	return p.out, p.flush()
}

// newlines are universal, as Python's text files have them.
var newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// take takes one line without the white space at its end.
func (p *parser) take(line string) error {
	if line == "" {
		return p.flush()
	}
	if line[0] == ' ' || line[0] == '\t' {
		return p.continued(line)
	}
	if err := p.flush(); err != nil {
		return err
	}
	switch line[0] {
	case '[':
		return p.header(line)
	case '#', ';':
		return nil
	}
	return p.assignment(line)
}

func (p *parser) continued(line string) error {
	if p.key == "" {
		return p.wrong("a continuation of nothing", line)
	}
	p.value = append(p.value, strings.TrimLeftFunc(line, isSpace))
	return nil
}

func (p *parser) header(line string) error {
	if !strings.HasSuffix(line, "]") || len(line) <= len("[]") {
		return p.wrong("not a section", line)
	}
	p.section = normal(line[1 : len(line)-1])
	return nil
}

func (p *parser) assignment(line string) error {
	i := strings.IndexAny(line, ":=")
	if i < 0 {
		return p.wrong("neither ':' nor '='", line)
	}
	p.key = strings.TrimFunc(line[:i], isSpace)
	if p.key == "" {
		return p.wrong("no key", line)
	}
	p.value = []string{unquote(strings.TrimFunc(line[i+1:], isSpace))}
	return nil
}

// flush ends the value that is open.
func (p *parser) flush() error {
	if p.key == "" {
		return nil
	}
	if p.section == "" {
		return p.wrong("a value before any section", p.key)
	}
	if p.out[p.section] == nil {
		p.out[p.section] = map[string][]string{}
	}
	group := p.out[p.section]
	group[p.key] = append(group[p.key], strings.Join(p.value, "\n"))
	p.key, p.value = "", nil
	return nil
}

// wrong does not quote the line, which may hold a password.
func (p *parser) wrong(what, line string) error {
	return fmt.Errorf("%w: %s line %d: %s (%d bytes)", ErrSyntax, p.name, p.line, what, len(line))
}

// unquote takes away one pair of equal quotes. One quote alone is a pair to
// oslo.config.
func unquote(s string) string {
	if s == "" || s[0] != s[len(s)-1] || s[0] != '"' && s[0] != '\'' {
		return s
	}
	return s[1:max(1, len(s)-1)]
}

// normal is the name of a group as it is looked up.
func normal(group string) string {
	if group == "DEFAULT" {
		return group
	}
	return strings.ToLower(group)
}

// isSpace is Python's str.isspace.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}
