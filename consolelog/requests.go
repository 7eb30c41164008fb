package consolelog

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/stackmend/stackmend/internal/logtail"
)

// A Request is one answer of nova-api to `POST /servers/ID/action`. The log
// does not say which action it was; an answer that is this long is a console,
// for no other action returns a text. Similar to: openstack console log show.
type Request struct {
	At              time.Time
	User, Project   string
	Instance        string
	Address, Status string
	Bytes           int64 // of the answer
}

// answer is what both of nova's formats have in common: that of its wsgi
// server (eventlet) and that of nova.api.openstack.requestlog (uwsgi).
// https://opendev.org/openstack/nova/src/tag/26.2.2/nova/api/openstack/requestlog.py
// https://opendev.org/openstack/nova/src/tag/26.2.2/nova/conf/wsgi.py
var answer = regexp.MustCompile(`\[(?:None |req-[-0-9a-f]+ )+([^\s\]]+) ([^\s\]]+)[^\]]*\] (\S+) "POST (?:/\S*)?/servers/([-0-9a-fA-F]{32,36})/action[^"]*" status: (\d+) len: (\d+)`)

// minAnswer is the shortest answer that counts: an action without a text
// answers with less.
const minAnswer = 2 << 10

// maxRequests bounds what is kept of one log. Beyond it the smallest go.
const maxRequests = 1 << 18

// ReadRequests reads the answers with consoles from nova-api's log, from
// since on; gzip and zstd are recognised. The error is that of the reader, or
// the ctx's.
func ReadRequests(ctx context.Context, r io.Reader, name string, since time.Time) ([]Request, error) {
	lines := logtail.New(ctx, r, name, logtail.Options{Match: []string{"/action"}})
	defer lines.Close()
	clock := logtail.Clock{Now: time.Now()}
	var out []Request
	for line := range lines.Lines() {
		q, ok := parseRequest(&clock, line.Text)
		if !ok || q.Bytes < minAnswer || q.At.Before(since) {
			continue
		}
		if out = append(out, q); len(out) >= 2*maxRequests {
			out = largest(out)
		}
	}
	return out, lines.Err()
}

// largest keeps the longer half.
func largest(all []Request) []Request {
	slices.SortStableFunc(all, func(a, b Request) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return all[:maxRequests]
}

func parseRequest(clock *logtail.Clock, line []byte) (Request, bool) {
	if !bytes.Contains(line, []byte("/action")) {
		return Request{}, false
	}
	m := answer.FindSubmatch(line)
	if m == nil {
		return Request{}, false
	}
	n, err := strconv.ParseInt(string(m[6]), 10, 62)
	if err != nil {
		return Request{}, false
	}
	stamp, _, _ := clock.Stamp(line)
	return Request{At: stamp.Time, User: text(m[1]), Project: text(m[2]), Address: text(m[3]),
		Instance: text(m[4]), Status: text(m[5]), Bytes: n}, true
}

func text(b []byte) string { return printable(string(b)) }
