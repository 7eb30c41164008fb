package bootvolume

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrEdit: a change that cannot be made as asked.
var ErrEdit = errors.New("bootvolume: no such edit")

// A Format is how a file is written.
type Format string

// The formats.
const (
	HAProxyFormat Format = "haproxy" // sections by name, words
	GroupFormat   Format = "groups"  // [group] and name = value: nova.conf, galera.cnf
)

// A Setting is one line of a file as it should be.
type Setting struct {
	Section string // "listen cinder_api", "defaults"; "DEFAULT", "mysqld"
	Name    string // "balance", "timeout server"; "block_device_allocate_retries"
	Value   string
}

// secret are words in names whose values a plan must not hold.
var secret = []string{"password", "secret", "transport_url", "auth", "token", "stats", "user"}

func (s Setting) hidden() bool {
	name := strings.ToLower(s.Name) // connection, slave_connection; not connection_recycle_time
	return strings.HasSuffix(name, "connection") || slices.ContainsFunc(secret, func(w string) bool { return strings.Contains(name, w) })
}

func (s Setting) validate() error {
	switch {
	case s.Section == "" || s.Name == "" || s.Value == "":
		return fmt.Errorf("%w: %+v: section, name and value are all needed", ErrEdit, s)
	case strings.ContainsAny(s.Section+s.Name+s.Value, "\r\n\x00"):
		return fmt.Errorf("%w: %q: one line alone", ErrEdit, s)
	case s.hidden():
		return fmt.Errorf("%w: %s: it may hold a secret, which a plan must not", ErrEdit, s.Name)
	}
	return nil
}

// edit returns a text with the settings as they should be, everything else as
// it was.
func edit(text string, f Format, settings []Setting) (string, error) {
	lines := strings.SplitAfter(text, "\n")
	for _, s := range settings {
		if err := s.validate(); err != nil {
			return "", err
		}
		var err error
		if lines, err = s.apply(lines, f); err != nil {
			return "", err
		}
	}
	return strings.Join(lines, ""), nil
}

// apply sets the last line that has the name, for that one counts, or adds one
// behind the head of its section.
func (s Setting) apply(lines []string, f Format) ([]string, error) {
	head, last := -1, -1
	inside := false
	for i, line := range lines {
		if section, ok := sectionOf(line, f); ok {
			inside = section == s.Section
			if inside && head >= 0 && f == HAProxyFormat {
				return nil, fmt.Errorf("%w: section %q is there twice", ErrEdit, s.Section)
			}
			if inside {
				head = i
			}
			continue
		}
		if inside && s.names(line, f) {
			if last >= 0 && f == HAProxyFormat && slices.Contains(repeated, s.Name) {
				return nil, fmt.Errorf("%w: %q has several lines of %s: name more of its words", ErrEdit, s.Section, s.Name)
			}
			last = i
		}
	}
	switch {
	case last >= 0:
		lines = slices.Clone(lines)
		lines[last] = indent(lines[last]) + s.line(f) + ending(lines[last])
		return lines, nil
	case head >= 0:
		space := ""
		if f == HAProxyFormat {
			space = "    "
		}
		lines = slices.Clone(lines)
		if ending(lines[head]) == "" {
			lines[head] += "\n"
		}
		return slices.Insert(lines, head+1, space+s.line(f)+"\n"), nil
	}
	return nil, fmt.Errorf("%w: there is no section %q", ErrEdit, s.Section)
}

// words are what a line of haproxy.cfg that sets it begins with. Options are
// told apart by what is set.
func (s Setting) words() []string {
	words := strings.Fields(s.Name)
	if value := strings.Fields(s.Value); s.Name == "option" && len(value) > 0 {
		words = append(words, value[0])
	}
	return words
}

// repeated are words of haproxy.cfg of which a section may have several lines,
// each of its own.
var repeated = []string{"acl", "bind", "capture", "errorfile", "filter", "http-check", "http-request", "http-response", "log", "server", "server-template", "stick",
	"tcp-check", "tcp-request", "tcp-response", "timeout", "use_backend", "use-server"}

func (s Setting) line(f Format) string {
	if f == HAProxyFormat {
		return s.Name + " " + s.Value
	}
	return s.Name + " = " + s.Value
}

func indent(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " \t"))] }

func ending(line string) string { return line[len(strings.TrimRight(line, "\r\n")):] }

var haproxySections = []string{"global", "defaults", "listen", "frontend", "backend", "userlist", "peers", "resolvers", "mailers", "cache", "program", "http-errors", "ring", "log-forward", "fcgi-app"}

// sectionOf reports whether a line begins a section, and which.
func sectionOf(line string, f Format) (string, bool) {
	if f == GroupFormat {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			return line[1 : len(line)-1], true
		}
		return "", false
	}
	words, err := wordsOf(strings.TrimRight(line, "\r\n"))
	if err != nil || len(words) == 0 || !slices.Contains(haproxySections, words[0]) {
		return "", false
	}
	if i := slices.Index(words, "from"); i > 0 {
		words = words[:i]
	}
	return strings.Join(words[:min(len(words), 2)], " "), true
}

// names reports whether a line sets this setting.
func (s Setting) names(line string, f Format) bool {
	if f == HAProxyFormat {
		words, err := wordsOf(strings.TrimRight(line, "\r\n"))
		want := s.words()
		return err == nil && len(words) >= len(want) && slices.Equal(words[:len(want)], want)
	}
	if line != strings.TrimLeft(line, " \t") || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
		return false // a value that goes on, or a comment
	}
	name, _, ok := strings.Cut(line, "=")
	plain := func(n string) string { return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(n)), "-", "_") }
	return ok && plain(name) == plain(s.Name)
}

// diff tells the lines that differ; edits replace and add lines, so that the
// common beginning and end of two texts frame them well enough.
func diff(before, after string) string {
	var out strings.Builder
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j+1 < len(b) && i < len(a) && a[i] == b[j+1], i >= len(a):
			fmt.Fprintf(&out, "+%d %s\n", j+1, b[j])
			j++
		case j >= len(b):
			fmt.Fprintf(&out, "-%d %s\n", i+1, a[i])
			i++
		default:
			fmt.Fprintf(&out, "-%d %s\n+%d %s\n", i+1, a[i], j+1, b[j])
			i, j = i+1, j+1
		}
	}
	return out.String()
}

// managers are the marks of what writes files anew, and would undo an edit.
var managers = []struct{ mark, tool string }{
	{"ansible managed", "Ansible"}, {"managed by ansible", "Ansible"}, {"managed by puppet", "Puppet"}, {"puppet managed", "Puppet"},
	{"generated by puppet", "Puppet"}, {"managed by chef", "Chef"}, {"generated by chef", "Chef"}, {"managed by salt", "Salt"},
	{"managed by juju", "Juju"}, {"kolla", "kolla"}, {"do not edit", "a program"}, {"juju", "Juju"},
}

// managerOf tells who writes a file anew, by its comments and its place.
func managerOf(path, text string) string {
	for _, place := range []struct{ dir, tool string }{{"/etc/kolla/", "kolla"}, {"/var/lib/config-data/puppet-generated/", "Puppet (TripleO)"}, {"/etc/openstack_deploy/", "Ansible"}} {
		if strings.HasPrefix(path, place.dir) {
			return place.tool
		}
	}
	for line := range strings.Lines(text) {
		line = strings.ToLower(strings.TrimSpace(line))
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ";") {
			continue
		}
		for _, m := range managers {
			if strings.Contains(line, m.mark) {
				return m.tool
			}
		}
	}
	return ""
}
