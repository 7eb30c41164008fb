// Package svg draws the few shapes that pictures of this library need: boxes
// with text, and lines between them. Text is escaped, so that a hostile name
// is a name in the picture and nothing else.
package svg

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A Picture is a drawing. Its size follows from what is drawn. The zero value
// is empty and ready.
type Picture struct {
	body          bytes.Buffer
	width, height int
}

// Sizes of text, in pixels. CharWidth is the width of one letter of the
// monospaced font.
const (
	FontSize  = 13
	CharWidth = 8
	Line      = 18
)

// Style is how a shape looks.
type Style string

// The styles.
const (
	Plain   Style = "plain"
	Culprit Style = "culprit"
	Faint   Style = "faint"
)

// The colours follow the reader's system, also where the picture is an image
// within a page.
const css = `text{font:13px monospace;fill:#222}` +
	`rect{fill:#fff;stroke:#555}line{stroke:#555}` +
	`rect.culprit{fill:#fdd;stroke:#c00;stroke-width:3}text.culprit{fill:#c00;font-weight:bold}line.culprit{stroke:#c00;stroke-width:3}` +
	`rect.faint{fill:#f4f4f4;stroke:#bbb;stroke-dasharray:4 3}text.faint{fill:#888}line.faint{stroke:#bbb;stroke-dasharray:4 3}` +
	`@media(prefers-color-scheme:dark){text{fill:#ddd}rect{fill:#1c2026;stroke:#888}line{stroke:#888}` +
	`rect.culprit{fill:#511;stroke:#f66}text.culprit{fill:#f88}line.culprit{stroke:#f66}` +
	`rect.faint{fill:#262b32;stroke:#666}text.faint{fill:#999}line.faint{stroke:#666}}`

func (p *Picture) grow(x, y int) {
	p.width, p.height = max(p.width, x), max(p.height, y)
}

// Rect draws a rectangle.
func (p *Picture) Rect(x, y, w, h int, s Style) {
	p.grow(x+w, y+h)
	fmt.Fprintf(&p.body, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="4"/>`+"\n", s, x, y, w, h)
}

// Line draws a line.
func (p *Picture) Line(x1, y1, x2, y2 int, s Style) {
	p.grow(max(x1, x2), max(y1, y2))
	fmt.Fprintf(&p.body, `<line class="%s" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", s, x1, y1, x2, y2)
}

// Text writes one line whose base is at y.
func (p *Picture) Text(x, y int, text string, s Style) {
	p.grow(x+Width(text), y+Line/3)
	fmt.Fprintf(&p.body, `<text class="%s" x="%d" y="%d">%s</text>`+"\n", s, x, y, escape(text))
}

// Box draws a rectangle around lines of text and returns its height.
func (p *Picture) Box(x, y, w int, s Style, lines ...string) int {
	h := len(lines)*Line + Line/2
	p.Rect(x, y, w, h, s)
	for i, l := range lines {
		p.Text(x+CharWidth, y+(i+1)*Line, l, s)
	}
	return h
}

// Width is how wide a text is.
func Width(text string) int { return utf8.RuneCountInString(text) * CharWidth }

// escape makes text of a string. Bytes that XML cannot hold become U+FFFD.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder takes everything
	return b.String()
}

// WriteTo writes the picture as a file of its own.
func (p *Picture) WriteTo(w io.Writer) (int64, error) {
	const margin = 12
	width, height := p.width+2*margin, p.height+2*margin
	n, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="%d %d %d %d" width="%d" height="%d">`+"\n<style>%s</style>\n<rect class=\"plain\" stroke=\"none\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n%s</svg>\n",
		-margin, -margin, width, height, width, height, css, -margin, -margin, width, height, p.body.String())
	return int64(n), err
}
