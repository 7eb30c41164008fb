package dbarchive

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// APITimes are how long the requests of nova-api took, by action: the method
// and the path with its identifiers left out.
type APITimes struct {
	Actions map[string][]time.Duration
	Lines   int // that were requests
	Skipped int // that were not, or could not be read
}

// A request in the log of nova's own server, as in
//
//	... nova.osapi_compute.wsgi.server [req-...] 10.0.0.1 "POST /v2.1/servers HTTP/1.1" status: 202 len: 1234 time: 138.6123
//
// https://opendev.org/openstack/nova/src/tag/26.2.2/nova/conf/wsgi.py (wsgi_log_format)
var apiLine = regexp.MustCompile(`"(GET|HEAD|POST|PUT|PATCH|DELETE) (\S+) HTTP/[0-9.]+" status: (\d{3}) .*\btime: (\d+(?:\.\d+)?)`)

var identifier = regexp.MustCompile(`^([0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}|\d+)$`)

// maxAPILine bounds a line; longer ones are skipped.
const maxAPILine = 64 << 10

// maxActions bounds the actions told apart: a client that asks for made-up
// paths must not fill the memory.
const maxActions = 1000

// ParseAPILog reads the request times of a nova-api log.
func ParseAPILog(r io.Reader) (*APITimes, error) {
	t := &APITimes{Actions: map[string][]time.Duration{}}
	b := bufio.NewReaderSize(r, maxAPILine)
	for {
		line, err := b.ReadSlice('\n')
		switch {
		case err == bufio.ErrBufferFull:
			t.Skipped++
			for err == bufio.ErrBufferFull {
				_, err = b.ReadSlice('\n')
			}
		case len(line) > 0:
			t.line(string(line))
		}
		if err == io.EOF {
			return t, nil
		}
		if err != nil {
			return nil, fmt.Errorf("dbarchive: nova-api log: %w", err)
		}
	}
}

func (t *APITimes) line(line string) {
	m := apiLine.FindStringSubmatch(line)
	if m == nil {
		t.Skipped++
		return
	}
	sec, err := strconv.ParseFloat(m[4], 64)
	action := m[1] + " " + shape(m[2])
	if _, known := t.Actions[action]; err != nil || sec > 1e6 || !known && len(t.Actions) >= maxActions {
		t.Skipped++
		return
	}
	t.Lines++
	t.Actions[action] = append(t.Actions[action], time.Duration(sec*float64(time.Second)))
}

// shape leaves identifiers and the query out of a path.
func shape(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if identifier.MatchString(p) {
			parts[i] = "{id}"
		}
	}
	return strings.Join(parts, "/")
}

// quantile is the time that the given share of requests stayed within.
func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(d))
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

// slowFindings names the actions that are slow now, with what they were.
func slowFindings(t Thresholds) []stackmend.Finding {
	if t.API == nil {
		return nil
	}
	var out []stackmend.Finding
	for action, times := range t.API.Actions {
		p95 := quantile(times, 0.95)
		if p95 < t.SlowAPI {
			continue
		}
		f := stackmend.Finding{Code: SlowAPI, Status: stackmend.Warn, Subject: action, Confidence: stackmend.Low,
			Message: fmt.Sprintf("%d requests, half within %v, 95 %% within %v", len(times), quantile(times, 0.5), p95),
			Fix:     "deleted rows are one cause among others: compare with the deleted share, and again after archiving"}
		if t.APIEarlier != nil {
			before := t.APIEarlier.Actions[action]
			f.Evidence = append(f.Evidence, stackmend.Evidence{Source: "earlier log",
				Value: fmt.Sprintf("%d requests, half within %v, 95 %% within %v", len(before), quantile(before, 0.5), quantile(before, 0.95))})
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b stackmend.Finding) int { return strings.Compare(a.Subject, b.Subject) })
	return out
}
