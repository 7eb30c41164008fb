package appliertest

import (
	"context"
	"testing"

	"github.com/stackmend/stackmend"
)

// cancelled cancels the run at every event in turn, and resumes it.
func (s Suite) cancelled(t *testing.T) {
	s.stoppedAtEveryEvent(t, func(o *stackmend.Options) (context.Context, func()) {
		return context.WithCancel(context.Background())
	})
}

// lockLost takes the lock away at every event in turn, and resumes the run.
func (s Suite) lockLost(t *testing.T) {
	s.stoppedAtEveryEvent(t, func(o *stackmend.Options) (context.Context, func()) {
		lose := make(chan struct{})
		o.Lock = neverLost{lose}
		return context.Background(), func() { close(lose) }
	})
}

// stoppedAtEveryEvent stops a run at its first event, the next run at its
// second, and so on until one comes to its end before it is stopped. Whatever
// was begun is settled, no group is left open, and a resume completes it.
func (s Suite) stoppedAtEveryEvent(t *testing.T, stopper func(*stackmend.Options) (context.Context, func())) {
	want := s.complete(t)
	for n := 1; ; n++ {
		p, w := s.newPlace(t)
		o := applying(w.Options)
		o.Journal = p.journal(t)
		ctx, stop := stopper(&o)
		stopped := atEvent(&o, n, stop)
		r, err := stackmend.Run(ctx, w.Plan, w.Applier, o)
		wantNone(t, r, stackmend.Uncertain, stackmend.Failed)
		if open := o.Journal.Open(); err != nil && groupOpen(open) {
			t.Errorf("stopped at event %d, and groups are open: %v\n%s", n, open, Describe(r))
		}
		o.Lock, o.OnEvent = nil, nil
		if err != nil {
			r, err = stackmend.Run(t.Context(), w.Plan, w.Applier, o)
		}
		if err != nil {
			t.Fatalf("resumed after a stop at event %d: %v\n%s", n, err, Describe(r))
		}
		wantLook(t, w, want, "after a resume")
		o.Journal.Close()
		if !*stopped || t.Failed() {
			return
		}
	}
}

func groupOpen(open []stackmend.Step) bool {
	for _, s := range open {
		if s.Group != "" {
			return true
		}
	}
	return false
}

// atEvent calls f at the n-th event. It reports whether that came.
func atEvent(o *stackmend.Options, n int, f func()) *bool {
	came, seen := new(bool), 0
	o.OnEvent = func(stackmend.Event) {
		if seen++; seen == n {
			*came = true
			f()
		}
	}
	return came
}
