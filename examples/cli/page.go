package cli

import (
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// A Page shows Results in a browser: one file that asks for nothing from
// anywhere, light or dark as the reader's system is, and readable on a phone.
type Page struct {
	Title    string
	Lead     string // what the page is about
	Made     time.Time
	Sections []Section
}

// A Section is one tale, or one run of a check.
type Section struct {
	Name  string // its anchor
	Title string
	Parts []Part
}

// A Part of a section has the fields that it needs; they are shown in this
// order.
type Part struct {
	Title   string
	Text    string // a paragraph
	Result  *stackmend.Result
	Verbose string // text of a fixed width: a table
	SVG     []byte // a picture; it is shown as an image, so that no script in it runs
	Caption string // of the picture
}

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"clean": func(s string) string { return Clean(strings.ToValidUTF8(s, "\ufffd")) },
	"utc":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"bytes": Bytes,
	"short": func(id string) string { return id[:min(12, len(id))] },
	"image": func(svg []byte) template.URL {
		return template.URL("data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(svg))
	},
	"rows": stepRows,
}).Parse(pageHTML))

// WriteTo writes the page.
func (p Page) WriteTo(w io.Writer) (int64, error) {
	c := &counter{w: w}
	err := pageTemplate.Execute(c, p)
	return c.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// stepRow is a step with what became of it.
type stepRow struct {
	Step  stackmend.Step
	State string
	Note  string
}

func stepRows(r stackmend.Result) []stepRow {
	rows := make([]stepRow, len(r.Plan.Steps))
	for i, s := range r.Plan.Steps {
		o := outcome(r, i)
		note, _, _ := strings.Cut(o.Note, "\n") // after it: the stack of a panic
		rows[i] = stepRow{s, o.State.String(), note}
	}
	return rows
}
