package dbarchive

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/stackmend/stackmend"
)

// The verbs of this package's steps.
const (
	VerbPrepare = "prepare" // make the tables that archiving needs
	VerbArchive = "archive" // move the trees of a range of instances
)

// pageSize is how many instances are read, and measured, at a time.
const pageSize = 500

// An archiving is one step that moves trees, under way.
type archiving struct {
	a    *Applier
	w    *stackmend.Work
	cell *cellWork
	r    rangeOf
	m    *mover
	pace *pace

	moved, total int64 // rows
}

func (a *Applier) doArchive(ctx context.Context, s stackmend.Step, sess *session, w *stackmend.Work) (err error) {
	r, err := parse(s)
	if err != nil {
		return err
	}
	cell, err := a.work(ctx, s)
	if err != nil {
		return err
	}
	held, leave, err := cell.lease.take(ctx)
	if err != nil {
		return err
	}
	defer leave()
	m, srv, err := a.mover(held, s, sess, cell, r)
	if err != nil {
		return err
	}
	defer m.close()
	defer func() { err = errors.Join(err, m.finish()) }()
	x := &archiving{a: a, w: w, cell: cell, r: r, m: m, total: s.Cost.Rows,
		pace: cell.pace(a.settings.Limits.within(srv))}
	defer cell.learn(x.pace)
	if err := x.all(held); err != nil {
		return because(held, err)
	}
	return because(held, m.repay(held, r))
}

// because adds why a context ended, which drivers do not tell.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// all moves the range: what the plan has counted as it was counted, and what
// it has not page by page.
func (x *archiving) all(ctx context.Context) error {
	after := x.r.first - 1
	for _, run := range x.r.runs {
		if first := run[0].First; first > after+1 {
			if err := x.read(ctx, after, first-1); err != nil {
				return err
			}
			after = first - 1
		}
		for left := run; len(left) > 0; {
			var some []Span
			some, left = x.pace.cutSpans(left)
			if err := x.counted(ctx, after, some); err != nil {
				return err
			}
			after = some[len(some)-1].Last
		}
	}
	if after >= x.r.last {
		return nil
	}
	return x.read(ctx, after, x.r.last)
}

// read moves the trees of a part of the range, page by page, each measured.
func (x *archiving) read(ctx context.Context, after, last int64) error {
	for {
		p, err := x.m.l.read(ctx, x.m.s, x.reading(after, last, pageSize))
		if err != nil {
			return err
		}
		if err := x.page(ctx, movable(p.all)); err != nil {
			return err
		}
		if p.done {
			return nil
		}
		after = p.last
	}
}

func (x *archiving) reading(after, last int64, limit int) reading {
	return reading{before: x.r.before, after: after, last: last, limit: limit, hosts: x.m.hosts}
}

func movable(cs []*candidate) []*candidate {
	var out []*candidate
	for _, c := range cs {
		if c.code == "" {
			out = append(out, c)
		}
	}
	return out
}

// page moves the trees of one page, with a Gate before every transaction.
func (x *archiving) page(ctx context.Context, cs []*candidate) error {
	for len(cs) > 0 {
		if err := x.w.Gate(ctx); err != nil {
			return err
		}
		var chunk []*candidate
		chunk, cs = x.pace.cut(cs)
		if err := x.settle(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// attempts is how often the same trees are tried while somebody is in the way.
const attempts = 4

// settle moves trees, or finds out which of them cannot be moved: those are
// set aside. It returns an error only for what concerns more than these trees.
func (x *archiving) settle(ctx context.Context, cs []*candidate) error {
	var err error
	for try := range attempts {
		if len(cs) == 0 {
			return nil
		}
		if err = x.try(ctx, cs, false); err == nil {
			return nil
		}
		kind := classify(err)
		if kind == fatal || x.m.s.broken {
			return err
		}
		if kind != transient || isNumber(err, erLockWait) && (len(cs) > 1 || try > 0) {
			break // a lock was waited for long enough: find out whose tree it is
		}
		x.pace.failed()
		if err := pause(ctx, try); err != nil {
			return err
		}
		if cs, err = x.again(ctx, cs, err); err != nil && len(cs) == 0 {
			return err
		}
	}
	if len(cs) > 1 {
		return x.halve(ctx, cs)
	}
	if classify(err) == duplicate {
		if err = x.try(ctx, cs, true); err == nil || classify(err) == fatal {
			return err
		}
	}
	x.cell.setAside(cs[0].uuid, err)
	return nil
}

// again reads the trees anew after they, or others, changed. The error is kept
// as the reason, for as long as there is a tree.
func (x *archiving) again(ctx context.Context, cs []*candidate, cause error) ([]*candidate, error) {
	want := map[int64]bool{}
	for _, c := range cs {
		want[c.id] = true
	}
	p, err := x.m.l.read(ctx, x.m.s, x.reading(cs[0].id-1, cs[len(cs)-1].id, pageSize))
	if err != nil {
		return nil, err
	}
	var left []*candidate
	for _, c := range movable(p.all) {
		if want[c.id] {
			left = append(left, c)
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	return left, cause
}

func (x *archiving) halve(ctx context.Context, cs []*candidate) error {
	for _, half := range [][]*candidate{cs[:len(cs)/2], cs[len(cs)/2:]} {
		if err := x.w.Gate(ctx); err != nil {
			return err
		}
		if err := x.settle(ctx, half); err != nil {
			return err
		}
	}
	return nil
}

// try is one transaction.
func (x *archiving) try(ctx context.Context, cs []*candidate, merge bool) error {
	begun := time.Now()
	if err := x.m.move(ctx, cs, merge); err != nil {
		return err
	}
	var rows int64
	for _, c := range cs {
		rows += c.total()
	}
	x.pace.took(rows, time.Since(begun))
	x.moved += rows
	x.w.Progress(x.moved, max(x.moved, x.total), "rows")
	return nil
}

// pause gives whoever was in the way time, longer each time.
func pause(ctx context.Context, try int) error {
	t := time.NewTimer(time.Duration(rand.Int64N(int64(20*time.Millisecond) << try)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *cellWork) setAside(uuid string, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aside[c.cell.Name+"/"+uuid] = why.Error()
}

var errNoTables = errors.New("dbarchive: the tables of this package are missing: the plan's prepare step makes them")
