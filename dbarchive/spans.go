package dbarchive

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

// The trees of a plan were measured when it was made. Apply need not look at
// their size again, only at whether they are still there and may go: that it
// does under locks. A span is the smallest part that it takes as counted.
const (
	spanRows  = firstRows
	spanBytes = 1 << 20
)

// maxCounted bounds what a step may say that a span has.
const maxCounted = 1 << 40

// span counts a tree to the last span, or begins one.
func (r *Range) span(c *candidate) {
	if len(r.Runs) == 0 {
		r.breakRun()
	}
	run := &r.Runs[len(r.Runs)-1]
	s := Span{First: c.id, Last: c.id, Trees: 1, Rows: c.total(), Bytes: c.bytes}
	if n := len(*run); n > 0 {
		if last := &(*run)[n-1]; last.Rows+s.Rows <= spanRows && last.Bytes+s.Bytes <= spanBytes {
			last.Last, last.Trees, last.Rows, last.Bytes = s.Last, last.Trees+1, last.Rows+s.Rows, last.Bytes+s.Bytes
			return
		}
	}
	*run = append(*run, s)
}

// breakRun notes that a tree stays.
func (r *Range) breakRun() {
	if n := len(r.Runs); n == 0 || len(r.Runs[n-1]) > 0 {
		r.Runs = append(r.Runs, nil)
	}
}

// spans writes the spans for a step.
func (r Range) spans() string {
	runs := slices.DeleteFunc(slices.Clone(r.Runs), func(run []Span) bool { return len(run) == 0 })
	return list(runs, func(run []Span) string {
		return list(run, func(s Span) string {
			return fmt.Sprintf("%d-%d:%d:%d:%d", s.First, s.Last, s.Trees, s.Rows, s.Bytes)
		}, ",")
	}, ";")
}

// parseSpans reads what spans has written. They go upwards, within the range.
func parseSpans(text string, first, last int64) (runs [][]Span, err error) {
	if text == "" {
		return nil, nil
	}
	next := first
	for part := range strings.SplitSeq(text, ";") {
		var run []Span
		for one := range strings.SplitSeq(part, ",") {
			var s Span
			if n, err := fmt.Sscanf(one, "%d-%d:%d:%d:%d", &s.First, &s.Last, &s.Trees, &s.Rows, &s.Bytes); err != nil || n != 5 {
				return nil, fmt.Errorf("%.60q is no span", one)
			}
			if s.First < next || s.Last < s.First || s.Last > last || s.Last == math.MaxInt64 ||
				s.Trees < 1 || s.Trees > spanRows || s.Rows < s.Trees || s.Rows > maxCounted || s.Bytes < 0 || s.Bytes > maxCounted {
				return nil, fmt.Errorf("%.60q is out of order, or of the range", one)
			}
			next = s.Last + 1
			run = append(run, s)
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// cutSpans takes the next spans of a run, as many as rows and bytes allow, but
// one at least.
func (p *pace) cutSpans(run []Span) (some, rest []Span) {
	var trees, rows, bytes int64
	for i, s := range run {
		trees, rows, bytes = trees+s.Trees, rows+s.Rows, bytes+s.Bytes
		if i > 0 && (trees > pageSize || float64(rows) > p.rows || bytes > p.limits.Bytes) {
			return run[:i], run[i:]
		}
	}
	return run, nil
}

// counted moves the trees of spans in one transaction. Where they are not as
// many any more, or one must stay now, or a span is more than a transaction
// should have, the trees are measured.
func (x *archiving) counted(ctx context.Context, after int64, spans []Span) error {
	last := spans[len(spans)-1].Last
	var sum Span
	for _, s := range spans {
		sum.Trees, sum.Rows, sum.Bytes = sum.Trees+s.Trees, sum.Rows+s.Rows, sum.Bytes+s.Bytes
	}
	if float64(sum.Rows) > x.pace.rows || sum.Bytes > x.pace.limits.Bytes {
		return x.read(ctx, after, last)
	}
	p, err := x.m.l.roots(ctx, x.m.s, x.reading(after, last, int(sum.Trees)+1))
	if err != nil {
		return err
	}
	for _, c := range p.all {
		c.judge(x.m.hosts)
	}
	if n := len(movable(p.all)); n != len(p.all) || int64(n) != sum.Trees {
		return x.read(ctx, after, last)
	}
	for i, c := range p.all {
		c.counted = sum.Rows / sum.Trees
		if int64(i) < sum.Rows%sum.Trees {
			c.counted++
		}
	}
	if err := x.w.Gate(ctx); err != nil {
		return err
	}
	return x.settle(ctx, p.all)
}

// counted are the tables that have rows of trees which a plan has counted.
// Those without a foreign key are always among them: nothing would tell of a
// row there.
func (l *layout) counted(tables []string) map[*member]bool {
	has := map[*member]bool{l.tree.root: true}
	for _, m := range l.tree.members {
		has[m] = !m.keyed || slices.Contains(tables, m.table.Name)
	}
	return has
}
