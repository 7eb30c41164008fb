package pressure

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend/internal/svg"
)

// A band is a kind of state that a chart tells apart, the healthiest first.
type band struct {
	name  string
	mark  rune
	style svg.Style
	in    func(state string) bool
}

func bands() []band {
	any := func(words ...string) func(string) bool {
		return func(s string) bool {
			return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
		}
	}
	return []band{
		{"clean", '#', svg.Plain, clean},
		{"not active", '!', svg.Culprit, func(s string) bool { return !any("active")(s) }},
		{"recovers", 'r', svg.Faint, any("recovering", "backfilling")},
		{"waits", '.', svg.Faint, any("wait", "toofull")},
		{"else", '-', svg.Faint, func(string) bool { return true }},
	}
}

// counts are the placement groups in each band.
func counts(states map[string]int) (n [5]int) {
	for state, count := range states {
		n[slices.IndexFunc(bands(), func(b band) bool { return b.in(state) })] += count
	}
	return n
}

// parts divides a width among the bands; what is there at all gets at least 1.
func parts(states map[string]int, width int) (w [5]int) {
	n, sum := counts(states), 0
	for _, v := range n {
		sum += v
	}
	for i, v := range n {
		if i > 0 && v > 0 {
			w[i] = max(1, v*width/sum)
		}
	}
	if sum > 0 {
		w[0] = max(0, width-w[1]-w[2]-w[3]-w[4])
	}
	return w
}

// Legend says what the marks of a Look mean.
func Legend() string {
	text := "placement groups:"
	for _, b := range bands() {
		text += fmt.Sprintf("  %c %s", b.mark, b.name)
	}
	return text
}

// String is one line of a chart over time: a bar of the placement groups'
// states, the level, what is left, and how long it takes.
func (l Look) String() string {
	if l.PGs == 0 {
		return fmt.Sprintf("%s  level %d  not seen; %s", l.Time.UTC().Format(time.TimeOnly), l.Level, l.Why)
	}
	bar := ""
	for i, w := range parts(l.States, 40) {
		bar += strings.Repeat(string(bands()[i].mark), w)
	}
	left := "time to clean not known"
	if l.Remaining >= 0 {
		left = "clean in " + l.Remaining.String()
	}
	return fmt.Sprintf("%s  [%s]  level %d  %d copies left, %s  commit %d ms  %s", l.Time.UTC().Format(time.TimeOnly), bar, l.Level, l.Left, left, l.LatencyMS, l.Why)
}

// WriteChart draws the states of placement groups over time, and the level
// below them.
func WriteChart(w io.Writer, looks []Look) error {
	const width, height, below = 720, 240, 60
	var p svg.Picture
	p.Text(0, svg.Line, "placement groups over time, in UTC; the level of recovery below", svg.Plain)
	looks = slices.DeleteFunc(slices.Clone(looks), func(l Look) bool { return l.PGs == 0 })
	looks = thin(looks, width/4)
	top := 0
	for _, l := range looks {
		top = max(top, l.Level)
	}
	for i, l := range looks {
		x, next := i*width/len(looks), (i+1)*width/len(looks)
		y := 2*svg.Line + height
		for b, h := range parts(l.States, height) {
			if y -= h; h > 0 {
				p.Rect(x, y, next-x, h, bands()[b].style)
			}
		}
		if h := l.Level * below / max(1, top); h > 0 {
			p.Rect(x, 3*svg.Line+height+below-h, next-x, h, svg.Plain)
		}
	}
	foot := 4*svg.Line + height + below
	if len(looks) > 0 {
		first, last := looks[0], looks[len(looks)-1]
		p.Text(0, foot, fmt.Sprintf("%s, %d not clean", first.Time.UTC().Format(time.RFC3339), unclean(first.States)), svg.Plain)
		p.Text(width/2, foot, fmt.Sprintf("%s, %d not clean", last.Time.UTC().Format(time.RFC3339), unclean(last.States)), svg.Plain)
	}
	p.Text(0, foot+svg.Line, "white: clean; grey: recovers or waits; red: not active; highest level "+fmt.Sprint(top), svg.Plain)
	_, err := p.WriteTo(w)
	return err
}

// thin keeps at most n looks, evenly, and the last one.
func thin(looks []Look, n int) []Look {
	if len(looks) <= n {
		return looks
	}
	var out []Look
	for i := range n {
		out = append(out, looks[(i+1)*len(looks)/n-1])
	}
	return out
}
