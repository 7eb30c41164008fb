package ceph_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// socket plays a daemon that answers every command with these bytes.
func socket(t *testing.T, reply string) ceph.AdminSocket {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") // a short name: sockets have a limit
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "ceph-osd.3.asok")
	l, err := net.Listen("unix", path)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = bufio.NewReader(c).ReadBytes(0) // the command
			_, _ = io.WriteString(c, reply)
			c.Close()
		}
	}()
	return ceph.AdminSocket{Path: path, Daemon: ceph.ToOSD(3)}
}

func TestAdminSocketAnswers(t *testing.T) {
	ask := ceph.Command{To: ceph.ToOSD(3), Prefix: "dump_mempools"}
	for name, c := range map[string]struct {
		reply, body string
		code        int
		fails       bool
	}{
		"whole":    {"\x00\x00\x00\x02{}", "{}", 0, false},
		"refused":  {"\x00\x00\x00\x1dERROR: (22) Invalid argument\n", "", 22, true},
		"nothing":  {"", "", 0, true},
		"cut head": {"\x00\x00", "", 0, true},
		"cut body": {"\x00\x00\x00\x09{}", "", 0, true},
		"too long": {"\xff\xff\xff\xff{}", "", 0, true},
	} {
		b, err := ceph.Ask(within(t, patience), socket(t, c.reply), ask)
		var ce *ceph.CommandError
		if (err != nil) != c.fails || string(b) != c.body || c.fails && (!errors.As(err, &ce) || ce.Code != c.code) {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if _, err := socket(t, "").Command(within(t, patience), ceph.Command{To: ceph.ToOSD(4), Prefix: "status"}); err == nil {
		t.Error("asked osd.3 for osd.4")
	}
	if _, err := ceph.Ask(within(t, patience), ceph.AdminSocket{Path: "/no/such.asok", Daemon: ceph.ToOSD(3)}, ask); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
}

func TestFindSockets(t *testing.T) {
	got, err := ceph.FindSockets("/run/ceph", fstest.MapFS{
		"ceph-osd.3.asok": {}, "8a1b/ceph-osd.12.asok": {}, "ceph-mon.a.asok": {}, "ceph-client.osd.x.asok": {},
	})
	if err != nil || len(got) != 2 || got[3] != "/run/ceph/ceph-osd.3.asok" || got[12] != "/run/ceph/8a1b/ceph-osd.12.asok" {
		t.Errorf("%v %v", got, err)
	}
	if _, err := ceph.FindSockets("/run/ceph", fstest.MapFS{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
}

// crowd counts the commands that are under way at a time.
type crowd struct {
	ceph.Recorded
	now, most atomic.Int64
}

func (c *crowd) Command(ctx context.Context, cmd ceph.Command) (io.ReadCloser, error) {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for m := c.most.Load(); n > m && !c.most.CompareAndSwap(m, n); m = c.most.Load() {
	}
	time.Sleep(time.Millisecond) // let others come
	return c.Recorded.Command(ctx, cmd)
}

// TestParallel: never more than MaxParallel, whatever is asked for.
func TestParallel(t *testing.T) {
	var all []int
	for range 10 {
		all = append(all, 0, 1, 2)
	}
	c := &crowd{Recorded: ceph.Recorded{FS: os.DirFS("testdata/pacific-healthy")}}
	observe(t, c, ceph.Options{OSDs: all, Parallel: 1000})
	if most := c.most.Load(); most > ceph.MaxParallel || most < 2 {
		t.Errorf("%d at a time", most)
	}
	if _, err := ceph.Observe(t.Context(), c, ceph.Options{OSDs: []int{}}); err == nil {
		t.Error("an empty list of OSDs was taken for all")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ceph.Observe(ctx, c, ceph.Options{}); !errors.Is(err, context.Canceled) && !errors.Is(err, stackmend.ErrUncertain) {
		t.Errorf("cancelled: %v", err)
	}
}
