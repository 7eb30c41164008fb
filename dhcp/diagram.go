package dhcp

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Columns of a diagram.
const (
	atClient = iota
	atTap
	atServer
	columns
)

// A row is one message as the sides saw it, or a word about the client.
type row struct {
	at     time.Time
	kind   Kind
	cast   Cast
	xid    uint32
	addr   IPv4
	reason string
	saw    [columns]bool
	word   string // no message: the break, a gap
	broken bool   // nobody took it further
}

// A diagram is the sequence of a conversation's messages.
type diagram struct {
	title string
	here  [columns]bool // which sides were looked at
	rows  []row
}

// maxRows bounds a diagram; the middle of a long one is left out.
const maxRows = 80

func newDiagram(c Conversation) diagram {
	d := diagram{title: c.MAC.String()}
	if c.Addr != (IPv4{}) {
		d.title += " " + c.Addr.String()
	}
	var rows []row
	for i := range c.Views {
		v := &c.Views[i]
		d.here[column(v.Point)] = true
		rows = join(rows, v)
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(order(a.kind), order(b.kind))) })
	for i := range rows {
		rows[i].broken = d.lost(rows[i])
	}
	d.rows = shorten(mark(rows, c), c.Break)
	return d
}

// order puts an answer behind what it answers, where stamps are of seconds.
func order(k Kind) int {
	switch k {
	case Discover:
		return 0
	case Offer:
		return 1
	case Request:
		return 2
	}
	return 3
}

func column(p Point) int {
	switch {
	case p.Client():
		return atClient
	case p.Server():
		return atServer
	}
	return atTap
}

// join adds the events of a view; a message that is there already, seen by
// another side at that time, is seen by this one too.
func join(rows []row, v *View) []row {
	at := column(v.Point)
	n := len(rows)
	for _, e := range v.Events {
		if e.Time.IsZero() {
			continue
		}
		r := row{at: e.Time, kind: e.Kind, cast: e.Cast, xid: e.XID, addr: e.Addr, reason: e.Reason}
		i := slices.IndexFunc(rows[:n], func(o row) bool { return same(o, r, v.Doubt) && (!o.saw[at] || e.Time.Sub(o.at).Abs() < time.Second) })
		if i < 0 {
			i = len(rows)
			rows = append(rows, r)
		}
		rows[i].saw[at] = true
		rows[i].cast = max(rows[i].cast, e.Cast)
		rows[i].reason = cmp.Or(rows[i].reason, e.Reason)
	}
	return rows
}

// same: two sides saw one message.
func same(a, b row, doubt time.Duration) bool {
	return a.kind == b.kind && a.at.Sub(b.at).Abs() <= doubt+time.Second && (a.xid == 0 || b.xid == 0 || equalXID(a.xid, b.xid))
}

// lost: a message did not come to a side that was looked at.
func (d *diagram) lost(r row) bool {
	from, to := r.ends()
	return (r.kind.Asks() || r.kind.Answers()) && d.here[to] && !r.saw[to] && r.saw[from]
}

// ends are where a message comes from and goes to.
func (r row) ends() (from, to int) {
	if r.kind.Answers() || r.kind == Unreachable || r.kind == NoAddress || r.kind == Ignored {
		return atServer, atClient
	}
	return atClient, atServer
}

// stop is between which sides a message was lost: the last one that saw it,
// and the next one that was looked at and did not.
func (d *diagram) stop(r row) (last, next int) {
	from, to := r.ends()
	step := 1
	if to < from {
		step = -1
	}
	last, next = from, to
	for i := from; i != to; i += step {
		if r.saw[i] {
			last = i
		}
	}
	for i := last + step; i != to; i += step {
		if d.here[i] {
			return last, i
		}
	}
	return last, next
}

// mark puts the break before its request.
func mark(rows []row, c Conversation) []row {
	var out []row
	broken, over := c.Break.IsZero(), c.Over.IsZero()
	for _, r := range rows {
		if !broken && !r.at.Before(c.Break) {
			out = append(out, row{at: c.Break, word: "the break: from here on no answer is taken"})
			broken = true
		}
		out = append(out, r)
		if !over && !r.at.Before(c.Over) {
			out = append(out, row{at: c.Over, word: "recovered"})
			over = true
		}
	}
	return out
}

// shorten keeps what is around the break, and the end.
func shorten(rows []row, broke time.Time) []row {
	if len(rows) <= maxRows {
		return rows
	}
	at := max(0, slices.IndexFunc(rows, func(r row) bool { return r.word != "" && r.at.Equal(broke) }))
	from := max(0, at-maxRows/4)
	to := min(len(rows), from+maxRows*3/4)
	out := slices.Clone(rows[from:to])
	if rest := max(to, len(rows)-maxRows/4); rest > to {
		out = append(out, row{at: rows[to].at, word: fmt.Sprintf("%d more", rest-to)})
		out = append(out, rows[rest:]...)
	}
	return out
}

// label is what stands on the arrow.
func (r row) label() string {
	text := r.kind.String()
	if r.kind == Request && r.cast == Unicast {
		text += " (unicast)"
	}
	if r.kind == Request && r.cast == Broadcast {
		text += " (broadcast)"
	}
	if r.addr != (IPv4{}) {
		text += " " + r.addr.String()
	}
	return text
}

var columnNames = [columns]string{"client", "tap", "server"}
