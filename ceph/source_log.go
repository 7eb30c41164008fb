package ceph

import (
	"bufio"
	"errors"
	"io"
	"regexp"
	"time"
)

// A LogLine of the cluster log.
type LogLine struct {
	At       time.Time
	From     string // mon.a, osd.3
	Priority string // [INF], [WRN]
	Text     string
}

// readLog reads `log last`. Nobody's text is trusted: it is only shown and
// matched.
func (s *Snapshot) readLog(r io.Reader) error {
	var all *[]struct {
		Name     string `json:"name"`
		Stamp    string `json:"stamp"`
		Priority string `json:"priority"`
		Message  string `json:"message"`
	}
	if err := decodeJSON(r, &all); err != nil {
		return err
	}
	if all == nil {
		return errors.New("ceph: log last is null")
	}
	found := make([]LogLine, 0, len(*all))
	for _, l := range *all {
		at, err := parseTime(l.Stamp)
		if err != nil {
			return err
		}
		found = append(found, LogLine{at, l.Name, l.Priority, l.Message})
	}
	s.Log = found
	return nil
}

// clusterLine is a line of the cluster log's file, from Luminous
// ("2019-07-30 13:45:46.527341 mon.a mon.0 10.0.0.1:6789/0 123 : cluster [INF]
// ..") to today ("2026-11-22T08:21:00.262892+0000 mon.a (mon.0) 145 : cluster
// [WRN] ..").
var clusterLine = regexp.MustCompile(`^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d{1,9}(?:Z|[+-]\d{4})?) (\S{1,64}) .{1,160}? : (\S{1,32}) (\[\w{3}\]) (.*)$`)

// maxLogLines of a file are kept, the last ones.
const maxLogLines = 100_000

// ReadClusterLog reads the file that monitors write the cluster log to, in a
// stream, and keeps the last lines of the channel "cluster" that are not
// debugging. Lines of another form are passed over; a file without any is an
// error.
func ReadClusterLog(r io.Reader) ([]LogLine, error) {
	var out []LogLine
	lines := bufio.NewReaderSize(r, maxLogLine)
	for {
		line, cut, err := lines.ReadLine()
		if err == io.EOF {
			break
		}
		if err != nil {
			return out, err
		}
		if m := clusterLine.FindSubmatch(line); m != nil && string(m[3]) == "cluster" && string(m[4]) != "[DBG]" {
			if at, err := parseTime(string(m[1])); err == nil {
				out = append(out, LogLine{at, string(m[2]), string(m[4]), string(m[5])})
			}
		}
		if len(out) >= 2*maxLogLines {
			out = append(out[:0], out[len(out)-maxLogLines:]...)
		}
		for cut && err == nil { // the rest of a giant line
			_, cut, err = lines.ReadLine()
		}
	}
	if len(out) == 0 {
		return nil, errors.New("ceph: not a cluster log: no line of it was understood")
	}
	return out[max(0, len(out)-maxLogLines):], nil
}
