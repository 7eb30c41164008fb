package ceph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/stackmend/stackmend"
)

// Recorded is a Commander that answers from a folder which a [Recorder] or an
// operator wrote, one file per command:
//
//	status.json  health_detail.json  osd_dump.json  osd_tree.json  osd_df.json
//	osd_perf.json  pg_dump.json  versions.json  mgr_dump.json  config_dump.json
//	osd_metadata.json  crash_ls.json  log_last.json  balancer_status.json
//	osd.N.dump_mempools.json  osd.N.config_show.json  osd.N.perf_dump.json
//	osd.N.status.json  osd.N.heap_stats.txt  pg_query_PGID.json
//
// A command that failed has NAME.error instead; recording.json says when the
// recording was made. What is not there is an error that is
// [fs.ErrNotExist]. A Recorded carries out nothing: it looks only at the name
// of a command.
type Recorded struct{ FS fs.FS }

// recordedError is the content of NAME.error.
type recordedError struct {
	Code   int    `json:"code,omitempty"`
	Status string `json:"status,omitempty"`
	Lost   bool   `json:"lost,omitempty"` // no answer came in time
}

// Command opens the file of the command.
func (r Recorded) Command(ctx context.Context, c Command) (io.ReadCloser, error) {
	if err := c.Valid(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, Lost(c, ctx)
	}
	f, err := r.FS.Open(c.file() + c.ext())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, r.failure(c)
	}
	if err != nil {
		return nil, &CommandError{Command: c.String(), Err: err}
	}
	return f, nil
}

// failure is the recorded error of a command, or that there is none.
func (r Recorded) failure(c Command) error {
	b, err := fs.ReadFile(r.FS, c.file()+".error")
	if err != nil {
		return &CommandError{Command: c.String(), Err: fmt.Errorf("not in the recording: %w", err)}
	}
	var e recordedError
	if err := json.Unmarshal(b, &e); err != nil {
		return &CommandError{Command: c.String(), Err: fmt.Errorf("damaged recording: %w", err)}
	}
	out := &CommandError{Command: c.String(), Code: e.Code, Status: e.Status}
	if e.Lost {
		out.Err = fmt.Errorf("no answer when it was recorded: %w", stackmend.ErrUncertain)
	}
	return out
}

// recording is the content of recording.json.
type recording struct {
	Schema int       `json:"schema"`
	Taken  time.Time `json:"taken"`
}

// Taken is when the recording was made; zero if it does not say.
func (r Recorded) Taken() time.Time {
	b, err := fs.ReadFile(r.FS, "recording.json")
	if err != nil {
		return time.Time{}
	}
	var rec recording
	if json.Unmarshal(b, &rec) != nil {
		return time.Time{}
	}
	return rec.Taken
}
