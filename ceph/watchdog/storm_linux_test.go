package watchdog

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

func stopOf7(dir scripted, t *testing.T) stackmend.Request {
	return stackmend.Request{Step: dir.plan(t).Steps[1]}
}

// past are restarts of an OSD, each an age ago.
func past(osd int, ages ...time.Duration) func() History {
	return func() (h History) {
		for _, age := range ages {
			h = append(h, Restart{OSD: osd, At: time.Now().Add(-age)})
		}
		return h
	}
}

// TestMarkdownBudget: the OSD itself says how often it bears being marked down.
func TestMarkdownBudget(t *testing.T) {
	dir := scripted(t.TempDir())
	dir.make(t)
	r := stopOf7(dir, t)
	for name, c := range map[string]struct {
		said     string
		restarts func() History
		want     stackmend.Decision
		word     string
	}{
		"none yet":      {`{"osd_max_markdown_count":"2","osd_max_markdown_period":"3600"}`, past(7), stackmend.Permit, ""},
		"one of two":    {`{"osd_max_markdown_count":"2","osd_max_markdown_period":"3600"}`, past(7, time.Minute), stackmend.Permit, ""},
		"spent":         {`{"osd_max_markdown_count":"2","osd_max_markdown_period":"3600"}`, past(7, 50*time.Minute, time.Minute), stackmend.Deny, "the OSD says"},
		"long ago":      {`{"osd_max_markdown_count":"2","osd_max_markdown_period":"600"}`, past(7, 50*time.Minute, time.Minute), stackmend.Permit, ""},
		"another OSD's": {`{"osd_max_markdown_count":"2","osd_max_markdown_period":"3600"}`, past(8, time.Minute, time.Minute), stackmend.Permit, ""},
		"none borne":    {`{"osd_max_markdown_count":"0","osd_max_markdown_period":"600"}`, past(7), stackmend.Permit, ""},
		"does not say":  {`no`, past(7, 5*time.Minute, 4*time.Minute, 3*time.Minute, 2*time.Minute, time.Minute), stackmend.Deny, "does not say, the default"},
		"not known":     {`{"osd_max_markdown_count":"many"}`, past(7, time.Minute), stackmend.Permit, ""},
	} {
		write(t, filepath.Join(string(dir), "config_get.json"), c.said)
		a := dir.applier(t)
		a.Restarts = c.restarts
		if v, err := a.beforeStop(a.markdowns)(t.Context(), r); err != nil || v.Decision != c.want || !strings.Contains(v.Reason, c.word) {
			t.Errorf("%s: %+v %v", name, v, err)
		}
	}
}

// TestStormCoolDown: restarts of the whole cluster count, those of other hosts
// as they tell them, until their watchdog is dead.
func TestStormCoolDown(t *testing.T) {
	dir := scripted(t.TempDir())
	dir.make(t)
	const lease = time.Second // of the watchdog that looks
	there, err := NewClaims(dir, "there", ClaimOptions{Prefix: "p/"})
	if err != nil {
		t.Fatal(err)
	}
	r := stopOf7(dir, t)
	ask := func(a *Applier, others int) stackmend.Verdict {
		t.Helper()
		if err := there.Publish(t.Context(), nil, others); err != nil {
			t.Fatal(err)
		}
		v, err := a.cluster(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	a := dir.applier(t)
	if v := ask(a, 5); v.Decision != stackmend.Permit {
		t.Errorf("5 of others: %+v", v)
	}
	if v := ask(a, 6); v.Decision != stackmend.Wait || !strings.Contains(v.Reason, "6 OSDs of the cluster were restarted in the last 2m30s") {
		t.Errorf("6 of others: %+v", v)
	}
	a.Restarts = past(8, time.Minute, time.Hour)
	if v := ask(a, 5); v.Decision != stackmend.Wait {
		t.Errorf("5 of others and one of this host: %+v", v)
	}
	if v := ask(a, -9); v.Decision != stackmend.Permit {
		t.Errorf("fewer than none: %+v", v)
	}
	if a.Claims, err = NewClaims(dir, "here", ClaimOptions{Prefix: "p/", Lease: lease}); err != nil {
		t.Fatal(err)
	}
	a.Restarts = past(8)
	ask(a, 6)
	until(t, "calm, for the other watchdog is dead", func() bool {
		v, err := a.cluster(t.Context(), r)
		return err == nil && v.Decision == stackmend.Permit
	})
}

// TestRestartsAreTold: a host without any wish tells its restarts while they count.
func TestRestartsAreTold(t *testing.T) {
	dir := scripted(t.TempDir())
	dir.make(t)
	told := func(acts bool, h History) (n int) {
		w := &Watch{Applier: dir.applier(t), Acts: acts, History: h}
		w.start()
		var work sync.WaitGroup
		w.act(t.Context(), &work)
		work.Wait()
		there, err := NewClaims(dir, "there", ClaimOptions{Prefix: "p/"})
		if err != nil {
			t.Fatal(err)
		}
		others, err := there.Others(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range others {
			n += c.Restarts
		}
		return n
	}
	if n := told(false, past(7, time.Minute)()); n != 0 {
		t.Errorf("one that only watches tells %d", n)
	}
	if n := told(true, past(7, time.Hour)()); n != 0 {
		t.Errorf("one of an hour ago counts: %d", n)
	}
	if n := told(true, past(7, time.Hour, time.Minute)()); n != 1 {
		t.Errorf("%d are told", n)
	}
}

// TestClockThatJumpsBack: what is in the future then counts as of now, for the
// loop as well.
func TestClockThatJumpsBack(t *testing.T) {
	w := &Watch{Sampler: fixture(t, 1)}
	w.start()
	w.History = History{{OSD: 0, At: time.Now().Round(0).Add(48 * time.Hour)}} // as read from a file
	if _, err := w.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if at := w.History[0].At; at.After(time.Now()) {
		t.Errorf("%v is in the future", at)
	}
}
