package bootvolume

import (
	"fmt"
	"slices"
	"strings"
)

// A section of haproxy.cfg, as far as one setting goes.
type section struct {
	kind, name, path string
	of               *section // the defaults that it inherits
	at               int      // the line of the setting that counts; 0: none
	line             string
}

func (s *section) String() string {
	if s.name == "" {
		return s.kind
	}
	return s.kind + " " + s.name
}

// inHAProxy: a setting of defaults counts where no section that inherits it has
// its own.
func (s Setting) inHAProxy(files []ConfFile, path string) (e effect) {
	var heirs, others int
	var edited *section
	sections := s.sections(files)
	for _, sec := range sections {
		if sec.path == path && sec.String() == s.Section {
			edited = sec
		}
	}
	if edited == nil || edited.at == 0 { // haproxy -c has more to say of it
		return effect{}
	}
	if words, _ := wordsOf(edited.line); len(words) > 0 && words[0] == "no" {
		return effect{none: fmt.Sprintf("line %d of %s is after it, %q", edited.at, path, edited.line)}
	}
	if edited.kind != "defaults" {
		return effect{}
	}
	for _, sec := range sections {
		if sec.kind == "defaults" || !sec.inherits(edited) || slices.Contains(notOf[sec.kind], s.Name) {
			continue
		}
		heirs++
		if by := sec.source(); by != edited {
			others++
			e.limited = append(e.limited, fmt.Sprintf("not of %s, where %q in line %d of %s counts", sec, by.line, by.at, by.path))
		}
	}
	switch {
	case heirs == 0:
		e.none = fmt.Sprintf("no section inherits %s of %s: another defaults follows, or nothing does", edited, path)
	case heirs == others:
		e.none = strings.Join(e.limited, "; ")
	}
	return e
}

// notOf is what sections of a kind do not take (HAProxy 2.6, configuration
// manual, chapter 4.1).
var notOf = map[string][]string{
	"frontend": {"balance", "timeout server", "timeout connect", "timeout queue", "retries", "retry-on"},
	"backend":  {"timeout client", "maxconn"},
}

func (s *section) inherits(from *section) bool {
	for ; s != nil; s = s.of {
		if s == from {
			return true
		}
	}
	return false
}

// source is the section whose line counts, or nil.
func (s *section) source() *section {
	for s != nil && s.at == 0 {
		s = s.of
	}
	return s
}

// sections are those of all the files, as haproxyFile takes them.
func (s Setting) sections(files []ConfFile) (all []*section) {
	var now, last *section
	named := make(map[string]*section)
	for _, f := range files {
		n := 0
		for line := range strings.Lines(f.Text) {
			n++
			words, err := wordsOf(strings.TrimRight(line, "\r\n"))
			if err != nil || len(words) == 0 {
				continue
			}
			if slices.Contains(haproxySections, words[0]) {
				now = newSection(words, f.Path, last, named)
				if now.kind == "defaults" {
					last = now
				}
				all = append(all, now)
				continue
			}
			if now != nil && s.isSet(words) {
				now.at, now.line = n, strings.Join(words, " ")
			}
		}
	}
	return all
}

// isSet reports whether a line sets it, or takes it away.
func (s Setting) isSet(words []string) bool {
	if words[0] == "no" {
		words = words[1:]
	}
	want := s.words()
	return len(words) >= len(want) && slices.Equal(words[:len(want)], want)
}

func newSection(words []string, path string, last *section, named map[string]*section) *section {
	now := &section{kind: words[0], path: path}
	if len(words) > 1 && words[1] != "from" {
		now.name = words[1]
	}
	switch i := slices.Index(words, "from"); {
	case i > 0 && i+1 < len(words):
		now.of = named[words[i+1]]
	case slices.Contains([]string{"listen", "frontend", "backend"}, now.kind):
		now.of = last
	}
	if now.kind == "defaults" && now.name != "" {
		named[now.name] = now
	}
	return now
}
