package dhcp

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Where the lines of life stand in the text, after the time.
var textAt = [columns]int{4, 44, 84}

const textWidth = 90

// WriteDiagram writes the conversation as a sequence diagram in text, the
// break marked. Sides that were not looked at stand in parentheses.
func WriteDiagram(w io.Writer, c Conversation) error {
	d := newDiagram(c)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", printable(d.title))
	fmt.Fprintf(&b, "%-13s%s\n", "", d.heads())
	for _, r := range d.rows {
		if r.word != "" {
			fmt.Fprintf(&b, "%-13s==== %s\n", r.at.UTC().Format("15:04:05.000"), printable(r.word))
			continue
		}
		fmt.Fprintf(&b, "%-13s%s\n", r.at.UTC().Format("15:04:05.000"), strings.TrimRight(d.text(r), " "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (d *diagram) heads() string {
	line := []rune(strings.Repeat(" ", textWidth+10))
	for i, name := range columnNames {
		if !d.here[i] {
			name = "(" + name + ")"
		}
		copy(line[max(0, textAt[i]-len(name)/2):], []rune(name))
	}
	return strings.TrimRight(string(line), " ")
}

// text draws one message between the lines of life.
func (d *diagram) text(r row) string {
	line := []rune(strings.Repeat(" ", textWidth))
	for _, at := range textAt {
		line[at] = '|'
	}
	if !r.kind.Asks() && !r.kind.Answers() && r.kind != Unreachable {
		return string(line) + " " + d.remark(r)
	}
	from, to := r.ends()
	a, b := textAt[from], textAt[to]
	if r.broken {
		last, next := d.stop(r)
		b = (2*textAt[last] + 3*textAt[next]) / 5
	}
	for x := min(a, b) + 1; x < max(a, b); x++ {
		if line[x] == ' ' {
			line[x] = '-'
		}
	}
	switch {
	case r.broken:
		line[b] = 'X'
	case b > a:
		line[b-1] = '>'
	default:
		line[b+1] = '<'
	}
	label := []rune(" " + r.label() + " ")
	if start := min(a, b) + 3; start+len(label) < max(a, b) {
		copy(line[start:], label)
		return string(line)
	}
	return string(line) + " " + strings.TrimSpace(printable(string(label)))
}

// remark is what is said of a client beside its messages.
func (d *diagram) remark(r row) string {
	text := r.label()
	if r.reason != "" {
		text += ": " + r.reason
	}
	return printable(text)
}

// printable takes what a terminal would obey out of a text.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\ufffd'
	}, strings.ToValidUTF8(text, "\ufffd"))
}
