package pglog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/child"
)

// A Tool is ceph-objectstore-tool on the host of an OSD. In its texts {id} stands for
// the number of the OSD.
type Tool struct {
	// Command runs it; empty: ceph-objectstore-tool. In a container:
	// "cephadm", "shell", "--name", "osd.{id}", "--", "ceph-objectstore-tool".
	Command []string
	// Data is the path of an OSD's data as the tool sees it; empty:
	// /var/lib/ceph/osd/ceph-{id}.
	Data string
	// Files is that folder as the host sees it; empty: Data.
	Files string
	// Timeout is how long one call may take; zero: half an hour. It compacts
	// the whole store after a trim.
	Timeout time.Duration
}

func (t Tool) fill(text string, osd int) string {
	return strings.ReplaceAll(text, "{id}", strconv.Itoa(osd))
}

func (t Tool) data(osd int) string {
	if t.Data == "" {
		return t.fill("/var/lib/ceph/osd/ceph-{id}", osd)
	}
	return t.fill(t.Data, osd)
}

func (t Tool) read(ctx context.Context, osd int, read func(io.Reader) error, arg ...string) error {
	limit := t.Timeout
	if limit <= 0 {
		limit = 30 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	argv := []string{"ceph-objectstore-tool"}
	if len(t.Command) > 0 {
		argv = nil
	}
	for _, w := range t.Command {
		argv = append(argv, t.fill(w, osd))
	}
	_, err := child.Read(ctx, read, append(argv, arg...)...)
	return err
}

// on runs one operation on the store of an OSD. Each opens the store's devices
// and closes them more than once, and at each close a thread is waited for that
// looks up every bdev_aio_poll_ms (KernelDevice::_aio_thread in
// src/os/bluestore/KernelDevice.cc at v16.2.15): by default a quarter of a
// second.
func (t Tool) on(ctx context.Context, osd int, read func(io.Reader) error, arg ...string) error {
	return t.read(ctx, osd, read, append([]string{"--no-mon-config", "--bdev_aio_poll_ms=10", "--data-path", t.data(osd)}, arg...)...)
}

// whole keeps an output that is small.
func whole(out *[]byte) func(io.Reader) error {
	return func(r io.Reader) (err error) {
		*out, err = io.ReadAll(io.LimitReader(r, 64<<20))
		return err
	}
}

// version is the tool's own. It tells it only beside an operation, which it
// then does not begin.
func (t Tool) version(ctx context.Context, osd int) (ceph.Version, error) {
	var out []byte
	if err := t.on(ctx, osd, whole(&out), "--version", "--op", "list-pgs"); err != nil {
		return ceph.Version{}, err
	}
	return ceph.ParseVersion(string(bytes.TrimSpace(out)))
}

// owner refuses a store that is not this OSD's, or not this cluster's.
func (t Tool) owner(ctx context.Context, osd int, fsid string) error {
	dir := t.data(osd)
	if t.Files != "" {
		dir = t.fill(t.Files, osd)
	}
	for name, want := range map[string]string{"whoami": strconv.Itoa(osd), "ceph_fsid": fsid} {
		b, err := readFile(ctx, filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if got := strings.TrimSpace(string(b)); got != want {
			return &stackmend.StaleError{Target: dir, Key: name, Want: want, Got: got}
		}
	}
	return nil
}

// readFile reads a small file of the host to which ctx leads.
func readFile(ctx context.Context, path string) ([]byte, error) {
	if !child.Routed(ctx) {
		return os.ReadFile(path)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return child.Output(ctx, "cat", "--", path)
}

// list returns the placement groups of a store.
func (t Tool) list(ctx context.Context, osd int) ([]string, error) {
	var out []byte
	if err := t.on(ctx, osd, whole(&out), "--op", "list-pgs"); err != nil {
		return nil, err
	}
	pgs := strings.Fields(string(out))
	for _, pg := range pgs {
		if (ceph.Command{To: ceph.ToPG(pg), Prefix: "query"}).Valid() != nil {
			return nil, fmt.Errorf("pglog: list-pgs: %.40q is not a placement group", pg)
		}
	}
	return pgs, nil
}

// info is what is read of `--op info`.
type info struct {
	Update   string `json:"last_update"`
	Complete string `json:"last_complete"`
	Backfill string `json:"last_backfill"`
}

func (t Tool) info(ctx context.Context, osd int, pg string) (i info, err error) {
	var out []byte
	if err := t.on(ctx, osd, whole(&out), "--pgid", pg, "--op", "info"); err != nil {
		return i, err
	}
	if err := json.Unmarshal(out, &i); err != nil || i.Update == "" || i.Complete == "" || i.Backfill == "" {
		return i, fmt.Errorf("pglog: info of %s is not understood: %.200q", pg, out)
	}
	return i, nil
}

func (t Tool) log(ctx context.Context, osd int, pg string) (l *Log, err error) {
	err = t.on(ctx, osd, func(r io.Reader) (err error) {
		l, err = ReadLog(r)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		return err
	}, "--pgid", pg, "--op", "log")
	return l, err
}

// trim trims the entries. The tool reads the limit from its command line alone.
func (t Tool) trim(ctx context.Context, osd int, pg string, max int64) error {
	return t.on(ctx, osd, whole(new([]byte)), "--pgid", pg, "--op", "trim-pg-log", "--osd_max_pg_log_entries="+strconv.FormatInt(max, 10))
}

func (t Tool) trimDups(ctx context.Context, osd int, pg string, max int64) error {
	return t.on(ctx, osd, whole(new([]byte)), "--pgid", pg, "--op", "trim-pg-log-dups", "--osd_pg_log_dups_tracked="+strconv.FormatInt(max, 10))
}
