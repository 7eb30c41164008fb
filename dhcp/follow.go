package dhcp

import (
	"bytes"
	"context"
	"io/fs"
	"sync"
	"time"

	"github.com/stackmend/stackmend/internal/logtail"
)

// FollowLog reads a log that is being written, from its beginning and over its
// rotations, until ctx ends. It calls tell with what was read so far when new
// lines came, at most once in every, and a last time at the end. The traces
// are copies.
func FollowLog(ctx context.Context, fsys fs.FS, path string, f Format, o ReadOptions, every time.Duration, tell func(*Trace)) error {
	l := &growingLog{logReader: newLogReader(path, f, o)}
	l.scan = newScanner(l.logReader)
	options := l.options()
	options.Take = l.take
	r := logtail.Follow(ctx, fsys, path, logtail.FollowOptions{Options: options})
	defer r.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for line := range r.Lines() {
			l.takeOne(line)
		}
	}()
	tick := time.NewTicker(max(every, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if t := l.copy(false); t != nil {
				tell(t)
			}
		case <-ended:
			tell(l.copy(true))
			return r.Err()
		}
	}
}

// A growingLog is read by one goroutine and looked at by another.
type growingLog struct {
	mu    sync.Mutex
	fresh bool
	*logReader
	scan  *scanner
	batch batch
}

func (l *growingLog) take(text []byte, before int64) (n int, lines int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batch.text, l.batch.before = text, before
	l.scan.read(&l.batch)
	l.apply(&l.batch)
	l.fresh = l.fresh || len(l.batch.records) > 0
	return len(text), int64(bytes.Count(text, newline))
}

func (l *growingLog) takeOne(line logtail.Line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line(line)
	l.fresh = true
}

// copy is the trace so far; nil if nothing came since the last one.
func (l *growingLog) copy(always bool) *Trace {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.fresh && !always {
		return nil
	}
	l.fresh = false
	t, events := l.finish(), l.events.clone()
	for _, track := range t.Tracks {
		track.Events.in = events
	}
	return t
}
