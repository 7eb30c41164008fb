package watchdog

import (
	"context"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// nobodyAnswers: while the monitor is frozen, and then the manager, the loop
// samples on and restarts nothing, with the reason; when both answer again the
// OSD is restarted.
func (b *bench) nobodyAnswers(t *testing.T) {
	var mu sync.Mutex
	passes, restarted, refused, waits := 0, 0, "", ""
	w := b.host(t, 0, true, func(e Event) {
		t.Logf("%s osd.%d %s %s", e.Time.Format("15:04:05.0"), e.OSD, e.Kind, e.Text)
		mu.Lock()
		defer mu.Unlock()
		switch e.Kind {
		case "restarted":
			restarted++
		case "refused":
			refused = e.Text
		}
	})
	claims, err := NewClaims(w.Applier.Cluster, "host0", ClaimOptions{Lease: 8 * time.Second}) // it waits half of that for the monitor
	if err != nil {
		t.Fatal(err)
	}
	w.Applier.Claims = claims
	// Due some four minutes before its limit: there is time for all that follows
	// on a slow machine, too.
	w.Policy.Margin = 5 * time.Minute
	w.Run.OnEvent = func(e stackmend.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Phase == stackmend.PhaseGuard && e.Err != nil {
			waits = e.Err.Error()
		}
	}
	ready := settledIn(w)
	known := w.OnPass
	w.OnPass = func(r Report) {
		known(r)
		mu.Lock()
		defer mu.Unlock()
		passes++
	}
	ctx, cancel := context.WithCancel(t.Context())
	var loop sync.WaitGroup
	loop.Go(func() { _ = w.Loop(ctx) })
	defer loop.Wait()
	defer cancel()
	defer b.thaw(t, "mon.a")
	defer b.thaw(t, "mgr.x")
	until(t, "known for long enough", ready.Load)

	// passing waits until the loop has made some more passes, and something else
	// has come.
	passing := func(what string, ok func() bool) {
		t.Helper()
		mu.Lock()
		before := passes
		mu.Unlock()
		until(t, what, func() bool { mu.Lock(); defer mu.Unlock(); return passes > before+5 && ok() })
		mu.Lock()
		defer mu.Unlock()
		if restarted > 0 {
			t.Errorf("%s: it was restarted", what)
		}
	}
	b.freeze(t, "mon.a")
	b.leak(t, "3", 0)
	passing("refused for the frozen monitor", func() bool { return strings.Contains(refused, "config-key") })
	b.freeze(t, "mgr.x")
	b.thaw(t, "mon.a")
	passing("waiting for the frozen manager", func() bool { return strings.Contains(waits, "cluster") })
	b.thaw(t, "mgr.x")
	until(t, "restarted", func() bool { mu.Lock(); defer mu.Unlock(); return restarted > 0 })
	t.Logf("refused: %s\nwaited: %s", refused, waits)
}

func (b *bench) freeze(t *testing.T, name string) { b.signal(t, name, syscall.SIGSTOP) }
func (b *bench) thaw(t *testing.T, name string)   { b.signal(t, name, syscall.SIGCONT) }

func (b *bench) signal(t *testing.T, name string, s syscall.Signal) {
	t.Helper()
	if err := b.Signal(name, s); err != nil {
		t.Fatal(err)
	}
}
