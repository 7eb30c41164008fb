package bootvolume

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"time"

	"github.com/stackmend/stackmend/internal/logtail"
)

// A NodeKind is what an error log of MariaDB tells of Galera.
type NodeKind string

// The kinds of what a node tells. The first two are logged only with
// wsrep_log_conflicts (or cert.log_conflicts): their absence says nothing.
const (
	Aborted     NodeKind = "aborted"     // a transaction, for one of another node
	Uncertified NodeKind = "uncertified" // a transaction failed its certification
	NonPrimary  NodeKind = "non-primary" // it lost the cluster: queries are refused
	Left        NodeKind = "left-synced" // what it has may be late from then on
	Synced      NodeKind = "synced"
)

// A NodeEvent is a line of an error log.
type NodeEvent struct {
	At   time.Time
	Kind NodeKind
	Text string
}

// A NodeLog is the error log of one node.
type NodeLog struct {
	Host   string
	Span   // of what was read
	Events []NodeEvent
}

// ReadNodeLogFiles reads the error log of a node with its rotated files. The
// error is compatible with errors.Is(err, fs.ErrNotExist) if there is none.
func ReadNodeLogFiles(ctx context.Context, fsys fs.FS, name string, o Log) (NodeLog, error) {
	r, err := logtail.Open(ctx, fsys, name, logtail.Options{})
	if err != nil {
		return NodeLog{}, err
	}
	defer r.Close()
	return nodeLog(r, o)
}

// ReadNodeLog reads the error log of a node.
func ReadNodeLog(ctx context.Context, r io.Reader, name string, o Log) (NodeLog, error) {
	lines := logtail.New(ctx, r, name, logtail.Options{})
	defer lines.Close()
	return nodeLog(lines, o)
}

func nodeLog(r *logtail.Reader, o Log) (NodeLog, error) {
	l := NodeLog{Host: o.Host}
	clock := &logtail.Clock{Now: o.Now, Zone: o.Zone}
	for line := range r.Lines() {
		stamp, rest, ok := clock.Stamp(line.Text)
		if !ok || stamp.Time.Before(o.Since) {
			continue // a line that goes on, or an older one
		}
		if l.First.IsZero() {
			l.First = stamp.Time
		}
		l.Last = stamp.Time
		if kind, ok := nodeKindOf(rest); ok {
			l.Events = append(l.Events, NodeEvent{At: stamp.Time, Kind: kind, Text: short(string(rest))})
		}
	}
	return l, r.Err()
}

// nodeKindOf knows the words of MariaDB 10.11 (its macro WSREP_LOG_CONFLICT) and
// of galera-4 26.4 (galera/src/certification.cpp, gcs/src/gcs.cpp).
func nodeKindOf(text []byte) (NodeKind, bool) {
	_, text, ok := bytes.Cut(text, []byte("WSREP: "))
	if !ok {
		return "", false
	}
	switch {
	case bytes.HasPrefix(text, []byte("cluster conflict due to high priority abort")):
		return Aborted, true
	case bytes.Contains(text, []byte("trx conflict for key ")):
		// The first of the two is the one that failed; it is told on each node.
		_, source, _ := bytes.Cut(text, []byte(" local: "))
		return Uncertified, bytes.HasPrefix(source, []byte("1 "))
	case bytes.HasPrefix(text, []byte("Received NON-PRIMARY")):
		return NonPrimary, true
	case bytes.HasPrefix(text, []byte("Shifting ")):
		from, to, ok := bytes.Cut(text[len("Shifting "):], []byte(" -> "))
		switch {
		case ok && bytes.HasPrefix(to, []byte("SYNCED")):
			return Synced, true
		case ok && bytes.Equal(from, []byte("SYNCED")):
			return Left, true
		}
	}
	return "", false
}
