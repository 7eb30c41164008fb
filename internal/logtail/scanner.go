package logtail

import (
	"bytes"
	"iter"
	"strings"
)

// A scanner looks for lines in buf[pos:whole]: whole ones, with their ends.
type scanner struct {
	words      [][]byte
	seek       []seeker
	offer      func([]byte, int64) (int, int64)
	plain      bool // no word has a byte that may not be of the line where it stands
	max        int
	line       Line
	buf        []byte
	pos, whole int
	found      []int // where each seeker found a word next in buf; less than pos: not looked
	nul        int64 // NUL bytes left out before buf[whole]
}

func newScanner(o Options) scanner {
	if o.MaxLine <= 0 {
		o.MaxLine = DefaultMaxLine
	}
	s := scanner{max: o.MaxLine, offer: o.Take, plain: true}
	for _, w := range o.Match {
		s.words = append(s.words, []byte(w))
		s.plain = s.plain && !strings.ContainsAny(w, "\x00\r\n")
	}
	s.seek = seekers(s.words, s.plain)
	s.found = make([]int, len(s.seek))
	return s
}

// A Scanner looks for lines in pieces of a log that a Reader gave to
// Options.Take: several goroutines look through pieces faster than one Reader
// through all, each with a Scanner of its own.
type Scanner struct{ scanner }

// NewScanner returns a Scanner for pieces of what a Reader with these options,
// but for Take, would read.
func NewScanner(o Options) *Scanner { return &Scanner{newScanner(o)} }

// Lines returns the lines of a text, of which every one has its end; they are
// those behind line number before of their file. Their Text is of this text.
func (s *Scanner) Lines(text []byte, before int64) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		s.line, s.nul = Line{Number: before}, 0
		s.buf, s.pos, s.whole = text, 0, len(text)
		s.forget()
		for s.pos < s.whole {
			if s.take() && !yield(s.line) {
				return
			}
		}
	}
}

// forget forgets where words were found: there is another text in buf.
func (s *scanner) forget() {
	for i := range s.found {
		s.found[i] = -1
	}
}

// take takes the next line of buf[pos:whole] that has a word. It reports
// whether there was one.
func (s *scanner) take() bool {
	if s.offer != nil && s.offered() {
		return false
	}
	if len(s.words) == 0 {
		n := bytes.IndexByte(s.buf[s.pos:s.whole], '\n')
		return s.takeLine(s.pos, n, false)
	}
	found := s.nextFound()
	at := s.pos
	n := bytes.IndexByte(s.buf[at:s.whole], '\n')
	if found > at+n { // not in the next line: skip to its own
		at = s.lineOf(found)
		s.line.Number += int64(bytes.Count(s.buf[s.pos:at], newline))
		s.nul = 0
		if s.pos = at; at == s.whole || s.offer != nil {
			return false
		}
		n = bytes.IndexByte(s.buf[at:s.whole], '\n')
	}
	return s.takeLine(at, n, s.plain && n <= s.max)
}

// offered offers the lines of buf[pos:whole]. It reports whether all of them
// are done.
func (s *scanner) offered() bool {
	n, lines := s.offer(s.buf[s.pos:s.whole], s.line.Number)
	if n > 0 {
		s.pos += n
		s.line.Number += lines
		s.nul = 0
	}
	return s.pos >= s.whole
}

// takeLine takes the line of n bytes at a place. Sure: a word was found in it.
func (s *scanner) takeLine(at, n int, sure bool) bool {
	s.pos = at + n + 1
	s.tell(s.buf[at:at+n], 0, false)
	return sure || s.matches(s.line.Text)
}

var newline = []byte{'\n'}

// lineOf returns where the line begins that position i is in.
func (s *scanner) lineOf(i int) int {
	if i >= s.whole {
		return s.whole
	}
	return s.pos + bytes.LastIndexByte(s.buf[s.pos:i], '\n') + 1
}

// nextFound returns where the first of the words stands at pos or after it.
func (s *scanner) nextFound() int {
	first := s.whole
	for i, seek := range s.seek {
		if s.found[i] < s.pos {
			s.found[i] = s.whole
			if n := seek.index(s.buf[s.pos:s.whole]); n >= 0 {
				s.found[i] = s.pos + n
			}
		}
		first = min(first, s.found[i])
	}
	return first
}

// tell makes text the current line.
func (s *scanner) tell(text []byte, dropped int64, partial bool) {
	nul := s.nul
	s.nul = 0
	s.line.Number++
	if len(text) > 0 && text[0] == 0 {
		hole := leadingNUL(text)
		nul += int64(hole)
		text = text[hole:]
	}
	if len(text) > s.max {
		dropped += int64(len(text) - s.max)
		text = text[:s.max]
	}
	if n := len(text); dropped == 0 && n > 0 && text[n-1] == '\r' {
		text = text[:n-1]
	}
	s.line.Text, s.line.Dropped, s.line.Partial, s.line.NUL = text, dropped, partial, nul
}

func leadingNUL(text []byte) int {
	for i, c := range text {
		if c != 0 {
			return i
		}
	}
	return len(text)
}

func (s *scanner) matches(text []byte) bool {
	for _, w := range s.words {
		if bytes.Contains(text, w) {
			return true
		}
	}
	return len(s.words) == 0
}
