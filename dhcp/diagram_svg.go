package dhcp

import (
	"io"

	"github.com/stackmend/stackmend/internal/svg"
)

// Where the lines of life stand in the picture, in pixels.
var svgAt = [columns]int{150, 450, 750}

// WriteDiagramSVG writes the conversation as a picture, the break marked.
func WriteDiagramSVG(w io.Writer, c Conversation) error {
	d := newDiagram(c)
	var p svg.Picture
	p.Text(0, svg.Line, d.title, svg.Plain)
	for i, name := range columnNames {
		style := svg.Plain
		if !d.here[i] {
			style, name = svg.Faint, name+" (not looked at)"
		}
		p.Line(svgAt[i], 3*svg.Line, svgAt[i], (len(d.rows)+5)*svg.Line, style)
		p.Text(svgAt[i]-svg.Width(name)/2, 5*svg.Line/2, name, style)
	}
	for i, r := range d.rows {
		d.draw(&p, r, (i+4)*svg.Line)
	}
	_, err := p.WriteTo(w)
	return err
}

// draw draws one row whose arrow is at y.
func (d *diagram) draw(p *svg.Picture, r row, y int) {
	p.Text(0, y, r.at.UTC().Format("15:04:05.000"), svg.Faint)
	switch {
	case r.word != "":
		p.Line(svgAt[atClient]-20, y, svgAt[atServer]+20, y, svg.Culprit)
		p.Text(svgAt[atServer]+30, y, r.word, svg.Culprit)
		return
	case !r.kind.Asks() && !r.kind.Answers() && r.kind != Unreachable:
		p.Text(svgAt[atServer]+30, y, d.remark(r), svg.Plain)
		return
	}
	from, to := r.ends()
	a, b := svgAt[from], svgAt[to]
	style := svg.Plain
	if r.broken {
		last, next := d.stop(r)
		b, style = (2*svgAt[last]+3*svgAt[next])/5, svg.Culprit
	}
	p.Line(a, y, b, y, style)
	back := 8
	if b > a {
		back = -8
	}
	p.Line(b, y, b+back, y-4, style)
	p.Line(b, y, b+back, y+4, style)
	if r.broken {
		p.Line(b-6, y-6, b+6, y+6, style)
	}
	p.Text(min(a, b)+24, y-3, r.label(), style)
}
