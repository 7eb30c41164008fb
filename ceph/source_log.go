package ceph

import (
	"errors"
	"io"
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
