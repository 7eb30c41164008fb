package mtu

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/stackmend/stackmend/internal/svg"
)

// culprits are the hops of a path that pictures mark: the one that limits it
// below what it begins with, and the VLANs that stand on VLANs.
func (p Path) culprits() map[int]bool {
	out := map[int]bool{}
	if p.short() <= 0 || p.Largest == 0 {
		return out
	}
	out[p.Limit] = true
	for i := 1; i < len(p.Hops); i++ {
		if p.Hops[i-1].Kind == VLAN && p.Hops[i].Kind == VLAN && p.Hops[i-1].Host == p.Hops[i].Host {
			out[i] = true
		}
	}
	return out
}

// label is a hop in words.
func (h Hop) label() string {
	kind := string(h.Kind)
	switch {
	case h.Kind == Physical:
		kind = "device"
	case h.Tag != nil:
		kind = "vlan " + h.Tag.String()
	case h.Adds > 0:
		kind = fmt.Sprintf("%s, adds %d", h.Kind, h.Adds)
	}
	if len(h.Also) > 0 {
		kind += ", like " + list(h.Also)
	}
	return kind
}

// printable keeps a name from being an escape sequence.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// WriteText draws paths as text, from the link where packets begin down to
// the wire, with the culprit marked.
func WriteText(w io.Writer, paths ...Path) error {
	var b bytes.Buffer
	for _, p := range paths {
		drawText(&b, p)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func drawText(b *bytes.Buffer, p Path) {
	fmt.Fprintf(b, "%s: %s\n", printable(Port{p.Host, p.Entrance().Link}.String()), p.summary())
	marked, host := p.culprits(), ""
	for i, h := range p.Hops {
		if h.Host != host {
			fmt.Fprintf(b, "  [%s]\n", printable(h.Host))
			host = h.Host
		}
		mark := "   "
		if marked[i] {
			mark = ">>>"
		}
		fmt.Fprintf(b, "  %s %-16s mtu %-6d %s", mark, printable(h.Link), h.MTU, printable(h.label()))
		if marked[i] && i == p.Limit {
			fmt.Fprintf(b, ": %d fit: %s", h.Fits, printable(h.Why))
		}
		b.WriteByte('\n')
	}
	for _, u := range p.Unknown {
		fmt.Fprintf(b, "   ?  %s\n", printable(u))
	}
}

func (p Path) summary() string {
	switch {
	case p.Largest == 0:
		return "the largest packet is not known"
	case !p.Sure:
		return fmt.Sprintf("packets of %d bytes fit, of more perhaps not (begins with %d)", p.Largest, p.Entrance().MTU)
	case p.short() > 0:
		return fmt.Sprintf("packets of at most %d bytes fit, %d is promised", p.Largest, p.Entrance().MTU)
	}
	return fmt.Sprintf("packets of %d bytes fit", p.Largest)
}

// WriteSVG draws paths side by side as an SVG picture, with the culprit
// marked.
func WriteSVG(w io.Writer, paths ...Path) error {
	var pic svg.Picture
	x := 0
	for _, p := range paths {
		x += column(&pic, x, p) + 5*svg.CharWidth
	}
	_, err := pic.WriteTo(w)
	return err
}

// column draws one path and returns its width.
func column(pic *svg.Picture, x int, p Path) int {
	marked := p.culprits()
	title := fmt.Sprintf("%s: %s", Port{p.Host, p.Entrance().Link}, p.summary())
	width := 40 * svg.CharWidth
	for _, h := range p.Hops {
		width = max(width, svg.Width(h.label())+2*svg.CharWidth)
	}
	pic.Text(x, svg.Line, title, svg.Plain)
	most, y, host := max(width, svg.Width(title)), 2*svg.Line, ""
	for i, h := range p.Hops {
		style := svg.Plain
		if marked[i] {
			style = svg.Culprit
		}
		if i > 0 {
			pic.Line(x+width/2, y, x+width/2, y+svg.Line, style)
			y += svg.Line
		}
		if h.Host != host {
			y += svg.Line
			pic.Text(x, y-svg.Line/3, h.Host, svg.Faint)
			host = h.Host
		}
		y += pic.Box(x, y, width, style, fmt.Sprintf("%s  mtu %d", h.Link, h.MTU), h.label())
		if i == p.Limit && marked[i] {
			note := fmt.Sprintf("%d fit: %s", h.Fits, h.Why)
			pic.Text(x+width+svg.CharWidth, y-svg.Line, note, svg.Culprit)
			most = max(most, width+svg.CharWidth+svg.Width(note))
		}
	}
	for _, u := range p.Unknown {
		pic.Line(x+width/2, y, x+width/2, y+svg.Line, svg.Faint)
		y += svg.Line
		y += pic.Box(x, y, max(width, svg.Width(u)+2*svg.CharWidth), svg.Faint, u)
		most = max(most, svg.Width(u)+2*svg.CharWidth)
	}
	return most
}
