package watchdog

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

// TestRealPressure: two OSDs of two hosts grow at once, under a limit. With
// nobody the kernel kills; with a watchdog on each host, which race for one
// cluster, nothing is killed, no acknowledged write is lost, and every
// placement group can be written to all the time.
func TestRealPressure(t *testing.T) {
	b := newBench(t)
	t.Run("watched only", b.watchedOnly)
	t.Run("watchdogs", b.watchdogs)
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
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Loop(ctx) }()
	time.Sleep(6 * time.Second) // older than Settle
	b.leak(t, "60", 0)
	until(t, "killed by the kernel", func() bool { return b.kills(t) > before })
	time.Sleep(time.Second)
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
	for end := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not %s", what)
		}
	}
}

func (b *bench) watchdogs(t *testing.T) {
	before := b.kills(t)
	b.leak(t, "100", 0, 1) // what lies before the watch need not take its time
	time.Sleep(4 * time.Second)
	b.leak(t, "0", 0, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	acked := b.writer(ctx)
	var mu sync.Mutex
	restarted := map[int]int{}
	var loops sync.WaitGroup
	for id := range b.groups {
		w := b.host(t, id, true, func(e Event) {
			t.Logf("%s host%d osd.%d %s %s", e.Time.Format("15:04:05.0"), id, e.OSD, e.Kind, e.Text)
			if e.Kind == "restarted" {
				mu.Lock()
				restarted[e.OSD]++
				mu.Unlock()
			}
		})
		loops.Go(func() { _ = w.Loop(ctx) })
	}
	worst := 0
	loops.Go(func() { worst = b.inactive(ctx) })
	time.Sleep(8 * time.Second)
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
