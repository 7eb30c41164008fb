package dbarchive

import (
	"fmt"
	"testing"
)

// TestSpans: what the survey counted comes back from the step; a tree that
// stays parts two runs, and a large one is a span of its own.
func TestSpans(t *testing.T) {
	var r Range
	add := func(id, rows, bytes int64) { r.span(&candidate{id: id, rows: []int64{rows}, bytes: bytes}) }
	r.breakRun()
	add(2, 90, 10)
	add(3, 90, 10)
	add(5, 90, 10)
	r.breakRun()
	r.breakRun()
	add(7, 50_000, 10)
	add(9, 1, 2<<20)
	add(10, 1, 1)
	const want = "2-3:2:180:20,5-5:1:90:10;7-7:1:50000:10,9-9:1:1:2097152,10-10:1:1:1"
	if got := r.spans(); got != want {
		t.Fatalf("%s", got)
	}
	runs, err := parseSpans(want, 2, 10)
	if err != nil || len(runs) != 2 || fmt.Sprint(runs[1]) != "[{7 7 1 50000 10} {9 9 1 1 2097152} {10 10 1 1 1}]" {
		t.Errorf("%v %v", runs, err)
	}
	p := newPace(Limits{}.withDefaults())
	p.rows = 300
	if some, rest := p.cutSpans(runs[0]); len(some) != 2 || len(rest) != 0 {
		t.Errorf("%v, left %v", some, rest)
	}
	if some, rest := p.cutSpans(runs[1]); len(some) != 1 || len(rest) != 2 {
		t.Errorf("%v, left %v", some, rest)
	}
	for _, bad := range []string{"1-1:1:1:1", "2-11:1:1:1", "3-2:1:1:1", "2-2:0:1:1", "2-2:2:1:1", "2-9:999:999:1", "2-2:1:9223372036854775807:1", "2-2:1:1:-1", "2-3:1:1:1,3-4:1:1:1", "2", ";", "2-2:1:1:1;"} {
		if runs, err := parseSpans(bad, 2, 10); err == nil {
			t.Errorf("%q: %v", bad, runs)
		}
	}
}

func FuzzSpans(f *testing.F) {
	f.Add("2-3:2:180:20,5-5:1:90:10;7-7:1:50000:10", int64(1), int64(9))
	f.Add("-1-3:2:9223372036854775807:20", int64(-9), int64(9))
	f.Fuzz(func(t *testing.T, text string, first, last int64) {
		runs, err := parseSpans(text, first, last)
		if err != nil {
			return
		}
		next := first
		for _, run := range runs {
			if len(run) == 0 {
				t.Fatal("an empty run")
			}
			for _, s := range run {
				if s.First < next || s.Last > last || s.Trees < 1 {
					t.Fatalf("%+v after %d", s, next)
				}
				next = s.Last + 1
			}
		}
	})
}
