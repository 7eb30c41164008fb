package mtu

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// NovaDiff returns, as a diff for people and for patch -p1, what mends the
// lines of nova.conf that put VLANs on a VLAN of host h: the device under the
// VLAN in its place. It is empty where there is nothing to mend. Nothing is
// written.
func NovaDiff(fsys fs.FS, c Config, h Host) (string, error) {
	g, err := newGraph(&h)
	if err != nil {
		return "", fmt.Errorf("mtu: host %s: %w", h.Name, err)
	}
	var b strings.Builder
	for _, s := range c.VLANInterface {
		base := g.untagged(s.Value)
		if base == "" || base == s.Value {
			continue
		}
		if err := diffLine(&b, fsys, s, base); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// untagged returns the device under a VLAN, or under a VLAN on a VLAN.
func (g *graph) untagged(name string) string {
	l := g.byName[name]
	for range g.host.Links {
		if l == nil || l.Kind != VLAN {
			break
		}
		l, _ = g.under(l)
	}
	if l == nil || l.Kind == VLAN {
		return ""
	}
	return l.Name
}

func diffLine(b *strings.Builder, fsys fs.FS, s Setting, to string) error {
	name, number, _ := strings.Cut(s.Source, ":")
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("mtu: %s: where it stands is not known", s)
	}
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return fmt.Errorf("mtu: %w", err)
	}
	lines := strings.Split(string(text), "\n")
	if n < 1 || n > len(lines) {
		return fmt.Errorf("mtu: %s: the file has %d lines", s, len(lines))
	}
	key, value, ok := cutAny(lines[n-1], "=:")
	if !ok || strings.TrimSpace(value) != s.Value {
		return fmt.Errorf("mtu: %s: the line is %q now, or its value is a reference", s, lines[n-1])
	}
	sep := lines[n-1][len(key) : len(lines[n-1])-len(strings.TrimLeft(value, " \t"))]
	fmt.Fprintf(b, "--- a/%s\n+++ b/%s\n@@ -%d +%d @@\n-%s\n+%s%s%s\n", name, name, n, n, lines[n-1], key, sep, to)
	return nil
}
