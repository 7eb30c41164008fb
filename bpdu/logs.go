package bpdu

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/stackmend/stackmend/internal/logtail"
)

// LogOptions say how logs are read.
type LogOptions struct {
	// Now decides the year of time stamps without one: when the log was last
	// written. It must be set.
	Now time.Time
	// Zone of time stamps that do not tell theirs. Nil: UTC.
	Zone *time.Location
	// Switch is the switch's name where lines do not tell it: a log of one
	// switch. Empty: the name of the file is taken.
	Switch string
	// Since leaves out what is told to be earlier. Zero: nothing. Lines
	// without a time are kept.
	Since time.Time
	// Limit is how many events are kept at most. Zero: a million.
	Limit int
}

// Log is what was read from logs.
type Log struct {
	Events []Event
	Lines  int64    // that had one of the words looked for
	Unread int64    // of those, lines that no format fits
	Unseen []string // what could not be seen: damaged files, the limit reached
}

// ReadLog reads the lines of switches from r, plain or compressed. The error
// is of r, with what was read until then.
func ReadLog(ctx context.Context, r io.Reader, name string, o LogOptions) (Log, error) {
	return collect(logtail.New(ctx, r, name, logtail.Options{MaxLine: maxLine, Match: words()}), o)
}

// ReadLogFiles reads a log with its rotated files (x.log, x.log.1, x.log.2.gz),
// oldest first. The error is compatible with errors.Is and fs.ErrNotExist if
// there is none; files of the set that cannot be read are in Log.Unseen.
func ReadLogFiles(ctx context.Context, fsys fs.FS, path string, o LogOptions) (Log, error) {
	r, err := logtail.Open(ctx, fsys, path, logtail.Options{MaxLine: maxLine, Match: words()})
	if err != nil {
		return Log{}, err
	}
	defer r.Close()
	log, err := collect(r, o)
	if err != nil && ctx.Err() == nil {
		log.Unseen = append(log.Unseen, err.Error())
		err = nil
	}
	return log, err
}

// maxLine is longer than any line of a switch, in bytes.
const maxLine = 4 << 10

func collect(r *logtail.Reader, o LogOptions) (Log, error) {
	if o.Limit <= 0 {
		o.Limit = 1e6
	}
	var log Log
	clocks := newClocks(o)
	for line := range r.Lines() {
		log.Lines++
		e, ok := parseLine(clocks, line, o)
		if !ok {
			log.Unread++
			continue
		}
		if !e.Time.IsZero() && e.Time.Before(o.Since) {
			continue
		}
		if len(log.Events) == o.Limit {
			log.Unseen = append(log.Unseen, fmt.Sprintf("%s from line %d on: %d events are the limit", line.Source, line.Number, o.Limit))
			break
		}
		log.Events = append(log.Events, e)
	}
	return log, r.Err()
}

// clocks read the first, second and further time stamps of a line: a relay's
// and a switch's own must not be taken for one that runs backwards.
type clocks []logtail.Clock

func newClocks(o LogOptions) clocks {
	c := make(clocks, 3)
	for i := range c {
		c[i] = logtail.Clock{Now: o.Now, Zone: o.Zone}
	}
	return c
}

func (c clocks) nth(i int) *logtail.Clock { return &c[min(i, len(c)-1)] }

// parseLine makes an event of a line. A line that was cut, or that ends
// without its end, is not one: it could name another port than it meant.
func parseLine(c clocks, line logtail.Line, o LogOptions) (Event, bool) {
	if line.Dropped > 0 || line.Partial && !closed(line.Text) {
		return Event{}, false
	}
	key, at, body := mnemonic(line.Text)
	f, ok := formats[key]
	if !ok {
		return Event{}, false
	}
	e := Event{Vendor: f.vendor, Source: fmt.Sprintf("%s:%d", line.Source, line.Number)}
	if !f.read(&e, clean(body)) {
		return Event{}, false
	}
	if e.Vendor == "" {
		e.Vendor = Cisco
		if strings.Contains(string(line.Text[:at]), "Ebra: ") {
			e.Vendor = Arista
		}
	}
	e.Text = clean(string(line.Text[:min(len(line.Text), 400)]))
	if !e.head(c, line.Text[:at]) {
		return Event{}, false
	}
	if e.Switch == "" {
		e.Switch = o.Switch
	}
	if e.Switch == "" {
		e.Switch = line.Source
	}
	return e, true
}

// closed: text without an end of line that all the same ends like a sentence.
func closed(text []byte) bool {
	s := strings.TrimSpace(string(text))
	return strings.HasSuffix(s, ".") || strings.HasSuffix(s, ")")
}

func clean(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

// head reads what stands before the mnemonic: time stamps and the switch's
// name, from a relay, from the switch, or from both. The switch's own time
// stamp counts, for relays may hold lines back; of two names the first does,
// which is the relay's word for who sent it. It reports false if other things
// stand there: then the line is some program's, which has the words of a
// switch in a text of its own, "Invalid user %STP-2-...".
func (e *Event) head(c clocks, text []byte) bool {
	text = priority(text)
	var names []string
	for stamps := 0; len(text) > 0; {
		if s, rest, ok := c.nth(stamps).Stamp(text); ok {
			stamps++
			e.Time, e.Doubt = s.Time, s.Doubt.String()
			text = rest
			continue
		}
		word, rest, _ := strings.Cut(string(text), " ")
		text = []byte(rest)
		switch n, kind := classify(word); kind {
		case stranger:
			if e.Vendor != DellOS { // which has much before its message
				return false
			}
		case aName:
			names = append(names, n)
		}
	}
	if len(names) > 0 {
		e.Switch = names[0]
	}
	if e.Time.IsZero() {
		e.Doubt = "no time told"
	}
	return len(names) <= 2 || e.Vendor == DellOS
}

// priority drops "<189>" and "<189>:".
func priority(text []byte) []byte {
	if len(text) == 0 || text[0] != '<' {
		return text
	}
	pri, rest, ok := strings.Cut(string(text[1:]), ">")
	if !ok || strings.Trim(pri, "0123456789") != "" {
		return text
	}
	return []byte(strings.TrimLeft(strings.TrimPrefix(rest, ":"), " "))
}

const (
	nothing  = iota // a sequence number, a zone, a level, a daemon of a switch
	aName           // perhaps the switch's
	stranger        // a program that is no switch's
)

// classify says what a word before a mnemonic is.
func classify(word string) (string, int) {
	bare := strings.TrimSuffix(word, ":")
	prog, _, pid := strings.Cut(bare, "[")
	switch {
	case strings.Trim(bare, "0123456789-:*.") == "", isDaemon(prog), strings.ContainsAny(bare, "|<>"),
		strings.HasPrefix(bare, "local") && strings.Contains(bare, "."): // local3.notice
		return "", nothing
	case pid || len(bare) > 255 || strings.ContainsAny(bare, "='\""):
		return "", stranger
	}
	return clean(bare), aName
}

// isDaemon: daemons of switches, and zones, that stand between the name and
// the message.
func isDaemon(word string) bool {
	switch word {
	case "Stp", "Ebra", "Mlag", "eswd", "l2cpd", "mib2d", "mstpd", "hpe-mstpd", "hpe-pvstd", "stp",
		"UTC", "GMT", "CET", "CEST", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "JST", "BST":
		return true
	}
	return false
}
