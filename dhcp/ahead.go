package dhcp

import (
	"bytes"
	"runtime"
	"slices"

	"github.com/stackmend/stackmend/internal/logtail"
)

// ahead reads a log ahead of its logReader: one goroutine reads, a few scan,
// and the logReader takes what they found in the order of the log.
type ahead struct {
	*logReader
	scanners int
	free     chan *batch // all of them, which bounds the memory
	scan     chan *batch
	order    chan *batch
	filling  *batch // whose buffer is read to
}

const (
	// maxScanners is how many scanners one logReader can follow.
	maxScanners = 4
	// pieceLen is how much is read at once, in bytes: of less, the goroutines
	// wait for each other more than they scan.
	pieceLen = 1 << 20
)

func newAhead(l *logReader) *ahead {
	a := &ahead{logReader: l, scanners: min(runtime.GOMAXPROCS(0), maxScanners)}
	n := a.scanners + 2
	a.free, a.scan, a.order = make(chan *batch, n), make(chan *batch, n), make(chan *batch, n)
	for range n {
		a.free <- &batch{scanned: make(chan struct{}, 1)}
	}
	return a
}

// options are those of the Reader of the log.
func (a *ahead) options() logtail.Options {
	o := a.logReader.options()
	o.Take, o.Swap = a.take, a.swap
	return o
}

// swap lets the reader read to a buffer that nobody scans.
func (a *ahead) swap(last []byte) []byte {
	if a.filling == nil {
		a.filling = <-a.free
		if a.filling.buf == nil {
			a.filling.buf = make([]byte, max(pieceLen, len(last)))
		}
	}
	return a.filling.buf
}

// take takes all lines.
func (a *ahead) take(text []byte, before int64) (n int, lines int64) {
	b := a.filling
	a.filling = nil
	b.text, b.before = text, before
	a.order <- b
	a.scan <- b
	return len(text), int64(bytes.Count(text, newline))
}

var newline = []byte{'\n'}

// one takes a line that has no end, or none near.
func (a *ahead) one(line logtail.Line) {
	b := <-a.free
	line.Text = slices.Clone(line.Text)
	b.records, b.lines = append(b.records[:0], record{}), append(b.lines[:0], line)
	b.scanned <- struct{}{}
	a.order <- b
}

// collect reads to the end.
func (a *ahead) collect(r *logtail.Reader) error {
	for range a.scanners {
		go a.scanAll()
	}
	go func() {
		for line := range r.Lines() {
			a.one(line)
		}
		close(a.scan)
		close(a.order)
	}()
	for b := range a.order {
		<-b.scanned
		a.apply(b)
		a.free <- b
	}
	return r.Err()
}

func (a *ahead) scanAll() {
	s := newScanner(a.logReader)
	for b := range a.scan {
		s.read(b)
		b.scanned <- struct{}{}
	}
}
