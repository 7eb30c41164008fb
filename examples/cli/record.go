package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/stackmend/stackmend/internal/recording"
)

// observe fills what the tool has seen: from the world, or from a recording.
func (s *session) observe(ctx context.Context) error {
	switch {
	case s.flags.Replay != "":
		return s.replay()
	case s.Observe == nil:
		return nil
	}
	if err := s.Observe(ctx); err != nil {
		return err
	}
	if s.flags.Record == "" {
		return nil
	}
	return s.record()
}

// record keeps what was observed. What is there already is not replaced.
func (s *session) record() error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	w, err := recording.Create(s.flags.Record, host, time.Now())
	if errors.Is(err, fs.ErrExist) {
		return Usage("-record: %s is there already", s.flags.Record)
	}
	if err != nil {
		return err
	}
	if err := w.Snapshot(s.Name, s.Seen); err != nil {
		return errors.Join(err, w.Abandon())
	}
	m, err := w.Close()
	if err != nil {
		return err
	}
	return Note(s.std.Err, "%s: recorded into %s, %d secrets removed; names and addresses are in it\n", s.Name, s.flags.Record, m.Secrets())
}

// replay reads what was observed elsewhere, and says so.
func (s *session) replay() error {
	a, err := recording.Open(s.flags.Replay)
	if errors.Is(err, fs.ErrNotExist) {
		return Usage("-replay: %v", err)
	}
	if err != nil {
		return err
	}
	defer a.Close()
	err = a.Snapshot(s.Name, s.Seen)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s holds nothing that %s looks at, but %s", s.flags.Replay, s.Name, holds(a.Manifest))
	}
	if err != nil {
		return err
	}
	for _, u := range a.Manifest.Unseen {
		if what, why, _ := strings.Cut(u, ": "); what == s.Name {
			if err := Note(s.std.Err, "%s: not in the recording: %s\n", s.Name, Clean(why)); err != nil {
				return err
			}
		}
	}
	return Note(s.std.Err, "%s: as %s was on %s\n", s.Name, Clean(a.Manifest.Host), a.Manifest.Made.Format(time.RFC3339))
}

// holds names what checks have observed in a recording.
func holds(m recording.Manifest) string {
	var checks []string
	for _, e := range m.Entries {
		if check, ok := strings.CutSuffix(e.Name, ".json"); ok && !strings.Contains(check, "/") {
			checks = append(checks, Clean(check))
		}
	}
	if len(checks) == 0 {
		return "what no check looks at"
	}
	return "what these do: " + strings.Join(checks, ", ")
}
