//go:build linux

package consolelog_test

import (
	"context"
	"errors"

	"path/filepath"
	"sync"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/internal/appliertest"
)

// methods is which way fits a filesystem, where the writer appends and where
// it does not.
var methods = map[string][2]string{
	"ext4":    {consolelog.Collapse, consolelog.Punch},
	"xfs":     {consolelog.Collapse, consolelog.Punch},
	"overlay": {consolelog.Collapse, consolelog.Punch},
	"btrfs":   {consolelog.Punch, consolelog.Punch},
	"tmpfs":   {consolelog.Punch, consolelog.Punch},
}

// TestTable bounds the logs of real qemu processes, in every form in which
// qemu writes one, on every filesystem: no line is lost, and the tail is right
// at every moment.
func TestTable(t *testing.T) {
	for _, kind := range filesystems {
		t.Run(kind, func(t *testing.T) { table(t, kind) })
	}
}

func table(t *testing.T, kind string) {
	root := mounted(t, kind, "400M")
	want := map[string]string{}
	watch := newTails(t)
	forms := chardevs
	if kind != "ext4" { // what matters elsewhere is whether the writer appends
		forms = chardevs[:2]
	}
	for _, c := range forms {
		log := filepath.Join(instances(t, root, c.name), "console.log")
		guest := spew(t, "spew.img", c.arg, log)
		grown(t, guest, log, small.Limit+1)
		want[log] = methods[kind][1]
		if c.appends {
			want[log] = methods[kind][0]
		}
		watch.add(log)
	}
	for round := range 2 {
		boundAll(t, root, want)
		for log := range want {
			until(t, "grown again", func() bool { return held(t, log) > small.Limit || round == 1 })
		}
	}
	watch.stop()
	for log := range want {
		wholeTail(t, log)
	}
}

// boundAll plans and applies, and checks what came of it.
func boundAll(t *testing.T, root string, want map[string]string) {
	t.Helper()
	s := observe(t, consolelog.Source{Instances: root})
	p, err := consolelog.Plan(s, small)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Steps) != len(want) || len(p.Kept) > 0 {
		t.Fatalf("%d steps for %d logs; kept: %v", len(p.Steps), len(want), p.Kept)
	}
	for _, st := range p.Steps {
		if st.Args["method"] != want[st.Target] {
			t.Errorf("%s: %s, want %s (%s)", st.Target, st.Args["method"], want[st.Target], st.Reason)
		}
	}
	a, err := consolelog.NewApplier(consolelog.Site{Instances: root})
	if err != nil {
		t.Fatal(err)
	}
	r, err := stackmend.Run(t.Context(), p, a, stackmend.Options{Mode: stackmend.Apply, Irreversible: true, Parallel: 3})
	if err != nil {
		t.Fatalf("%v\n%s", err, appliertest.Describe(r))
	}
}

func held(t testing.TB, log string) int64 {
	t.Helper()
	s := observe(t, consolelog.Source{Instances: filepath.Dir(filepath.Dir(log)), WritersAbove: 1 << 40})
	for _, l := range s.Logs {
		if l.Path == log {
			return l.Held()
		}
	}
	t.Fatalf("%s is gone", log)
	return 0
}

// wholeTail reads all that is left of a log, after its hole: every line from
// the first on.
func wholeTail(t *testing.T, log string) {
	t.Helper()
	b, err := consolelog.Tail{Path: log, Bytes: 8 << 20}.Read()
	if err != nil {
		t.Fatal(err)
	}
	first, last, err := numbers(b)
	if err != nil {
		t.Errorf("%s: %v", log, err)
	}
	if first == 0 || last-first < consolelog.NovaReads/lineBytes-2 {
		t.Errorf("%s holds lines %d to %d: was it bounded, and enough kept?", log, first, last)
	}
}

// tails reads the ends of logs again and again, and checks every one.
type tails struct {
	t      *testing.T
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	often  bool // without a pause
	jumps  bool // lines may be gone before they were seen
}

func newTails(t *testing.T) *tails {
	w := &tails{t: t}
	w.ctx, w.cancel = context.WithCancel(t.Context())
	t.Cleanup(w.stop)
	return w
}

func (w *tails) stop() {
	w.cancel()
	w.wg.Wait()
}

func (w *tails) add(log string) {
	w.wg.Go(func() {
		seen := -1
		for n := 0; w.ctx.Err() == nil; n++ {
			b, err := consolelog.Tail{Path: log, Bytes: 20 << 10}.Read()
			first, last, gap := numbers(b)
			if w.often && errors.Is(err, consolelog.ErrBusy) {
				continue
			}
			if err = errors.Join(err, gap); err != nil {
				w.t.Errorf("tail %d of %s: %v", n, log, err)
				return
			}
			if !w.jumps && (last < seen || first > seen+1 && len(b) < 10<<10) {
				w.t.Errorf("tail %d of %s: lines %d to %d, after %d was seen", n, log, first, last, seen)
			}
			seen = last
			if !w.often {
				<-pause()
			}
		}
	})
}

// TestLogsOfTheTableAreSeen: what Observe says of each writer.
func TestLogsOfTheTableAreSeen(t *testing.T) {
	root := t.TempDir()
	for _, c := range chardevs {
		log := filepath.Join(instances(t, root, c.name), "console.log")
		grown(t, spew(t, "slow.img", c.arg, log), log, 60)
	}
	s := observe(t, consolelog.Source{Instances: root})
	if len(s.Logs) != len(chardevs) || len(s.Unseen) > 0 {
		t.Fatalf("%d logs, unseen %v", len(s.Logs), s.Unseen)
	}
	for i, l := range s.Logs {
		var appends bool
		for _, c := range chardevs {
			appends = appends || c.name == l.Instance && c.appends
		}
		if len(l.Writers) != 1 || !l.Writers[0].Qemu() || l.Writers[0].Append != appends || l.Looked != consolelog.Complete {
			t.Errorf("%d %s: writers %v, %v; want one qemu, append %v", i, l.Instance, l.Writers, l.Looked, appends)
		}
	}
}
