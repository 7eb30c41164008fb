package watchdog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/internal/safety"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

// TestRealPressure: two OSDs of two hosts grow at once, under a limit. With
// nobody the kernel kills; with a watchdog on each host, which race for one
// cluster, nothing is killed, no acknowledged write is lost, and every
// placement group can be written to all the time.
func TestRealPressure(t *testing.T) {
	b := newBench(t)
	t.Run("kept away", b.keptAway)
	t.Run("watched only", b.watchedOnly)
	t.Run("nobody answers", b.nobodyAnswers)
	t.Run("watchdogs", b.watchdogs)
}

// keptAway: noup of an OSD's host keeps it from being restarted, that of another
// does not.
func (b *bench) keptAway(t *testing.T) {
	to := b.reach(t)
	refused := func(id int) bool {
		m, err := safety.Dump(t.Context(), to)
		if err != nil {
			t.Fatal(err)
		}
		err = safety.ComesBack(t.Context(), to, m, id)
		if err != nil && !errors.Is(err, stackmend.ErrRefused) {
			t.Fatal(err)
		}
		return err != nil
	}
	if _, err := b.Ceph("osd", "set-group", "noup", "host0"); err != nil {
		t.Fatal(err)
	}
	if !refused(0) || refused(1) {
		t.Error("noup of host0: osd.0 must be refused, and osd.1 not")
	}
	if _, err := b.Ceph("osd", "unset-group", "noup", "host0"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Ceph("osd", "add-noup", "1"); err != nil {
		t.Fatal(err)
	}
	if refused(0) || !refused(1) {
		t.Error("noup of osd.1: it must be refused, and osd.0 not")
	}
	if _, err := b.Ceph("osd", "rm-noup", "1"); err != nil {
		t.Fatal(err)
	}
}

// watchedOnly: a dry run changes nothing, and the kernel kills.
func (b *bench) watchedOnly(t *testing.T) {
	before := b.kills(t)
	var mu sync.Mutex
	said := map[string]bool{}
	w := b.host(t, 0, false, func(e Event) {
		mu.Lock()
		said[e.Kind] = true
		mu.Unlock()
		t.Logf("osd.%d %s %s", e.OSD, e.Kind, e.Text)
	})
	ready := settledIn(w)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.Loop(ctx) }()
	until(t, "known for long enough", ready.Load)
	b.leak(t, "60", 0)
	until(t, "killed by the kernel", func() bool { return b.kills(t) > before })
	until(t, "told", func() bool { mu.Lock(); defer mu.Unlock(); return said["oom-kill"] })
	cancel()
	<-done
	mu.Lock()
	defer mu.Unlock()
	if !said["would"] || !said["oom-kill"] || said["restarted"] {
		t.Errorf("said %v", said)
	}
	os.Remove(b.leakFile(0))
	b.restart(t, 0)
	if err := b.Healthy(); err != nil {
		t.Fatal(err)
	}
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not %s", what)
		}
	}
}

// settledIn is true once a watch knows its OSD for long enough to judge it.
func settledIn(w *Watch) *atomic.Bool {
	known := new(atomic.Bool)
	w.OnPass = func(r Report) {
		if len(r.Outlooks) == 1 && r.Outlooks[0].Steady && r.Outlooks[0].Age > w.Policy.Settle {
			known.Store(true)
		}
	}
	return known
}

// fill makes OSDs grow until each uses as much: what lies before the watch need
// not take its time.
func (b *bench) fill(t *testing.T, bytes int64, ids ...int) {
	t.Helper()
	b.leak(t, "60", ids...)
	until(t, "filled", func() bool {
		ids = slices.DeleteFunc(ids, func(id int) bool {
			n, err := anon(b.PID("osd." + strconv.Itoa(id)))
			if err != nil {
				t.Fatal(err)
			}
			if n >= bytes {
				b.leak(t, "0", id)
			}
			return n >= bytes
		})
		return len(ids) == 0
	})
}

func (b *bench) watchdogs(t *testing.T) {
	before := b.kills(t)
	b.fill(t, 560<<20, 0, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	acked := b.writer(ctx)
	var mu sync.Mutex
	restarted := map[int]int{}
	var unclean, ends []string
	var loops sync.WaitGroup
	var ready []*atomic.Bool
	for id := range b.groups {
		w := b.host(t, id, true, func(e Event) {
			t.Logf("%s host%d osd.%d %s %s", e.Time.Format("15:04:05.0"), id, e.OSD, e.Kind, e.Text)
			mu.Lock()
			defer mu.Unlock()
			switch e.Kind {
			case "restarted":
				restarted[e.OSD]++
				ends = append(ends, e.Text)
			case "unclean":
				unclean = append(unclean, e.Text)
			}
		})
		ready = append(ready, settledIn(w))
		loops.Go(func() { _ = w.Loop(ctx) })
	}
	worst := 0
	loops.Go(func() { worst = b.inactive(ctx) })
	until(t, "known for long enough", func() bool { return ready[0].Load() && ready[1].Load() })
	b.leak(t, "8", 0, 1)
	until(t, "both restarted", func() bool { mu.Lock(); defer mu.Unlock(); return restarted[0] > 0 && restarted[1] > 0 })
	cancel()
	loops.Wait()
	if err := b.Healthy(); err != nil {
		t.Fatal(err)
	}
	if n := b.kills(t) - before; n != 0 {
		t.Errorf("%d kills", n)
	}
	if restarted[0] != 1 || restarted[1] != 1 {
		t.Errorf("restarts: %v", restarted)
	}
	if len(unclean) > 0 || !strings.Contains(strings.Join(ends, "\n"), "osd_fast_shutdown true, its supervisor does not say how it ended, no crash report yet") {
		t.Errorf("stops that were not clean: %q; of all was told %q", unclean, ends)
	}
	if worst > 0 {
		t.Errorf("%d placement groups lacked min_size", worst)
	}
	b.verify(t, acked())
}

// inactive watches for placement groups that lack min_size: those that are not
// active in a map in which two OSDs are down. A moment of peering is no lack.
func (b *bench) inactive(ctx context.Context) (worst int) {
	for ctx.Err() == nil {
		_ = b.Until("looked at", func(s labceph.Status) bool {
			for _, state := range s.PGMap.States {
				if s.OSDMap.Up < labceph.OSDs-1 || strings.Contains(state.Name, "down") || strings.Contains(state.Name, "incomplete") {
					worst = max(worst, state.Count)
				}
			}
			return true
		})
		time.Sleep(300 * time.Millisecond)
	}
	return worst
}

// verify reads back every object that was acknowledged.
func (b *bench) verify(t *testing.T, names []string) {
	t.Helper()
	if len(names) < 20 {
		t.Fatalf("only %d writes were acknowledged", len(names))
	}
	file := filepath.Join(b.Dir, "read")
	for _, name := range names {
		if err := b.Rados("-p", "test", "get", name, file); err != nil {
			t.Fatalf("an acknowledged object is lost: %v", err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != name {
			t.Fatalf("%s holds %q: %v", name, got, err)
		}
	}
	t.Logf("%d acknowledged objects read back", len(names))
}
