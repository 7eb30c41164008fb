package pglog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/safety"
)

// limits are what a trim step says.
type limits struct {
	entries, dups int64
	active        bool
	inactive      []string // when the plan was made
}

// expected reports whether the plan expects to trim a placement group, as far
// as states go.
func (l limits) expected(pg string) bool {
	return l.active || slices.Contains(l.inactive, wholeGroup(pg))
}

func limitsOf(s stackmend.Step) (l limits, err error) {
	if l.entries, err = strconv.ParseInt(s.Args["max_entries"], 10, 64); err != nil {
		return l, err
	}
	if l.dups, err = strconv.ParseInt(s.Args["max_dups"], 10, 64); err != nil {
		return l, err
	}
	l.inactive = strings.Fields(s.Args[argInactive])
	l.active, err = strconv.ParseBool(s.Args["active"])
	return l, err
}

// trimOSD trims the placement groups in the store of a stopped OSD. What an
// interrupted run has proven is not done again.
func (a *Applier) trimOSD(ctx context.Context, id int, s stackmend.Step, w *stackmend.Work) error {
	l, err := limitsOf(s)
	if err != nil {
		return fmt.Errorf("%w: %w", stackmend.ErrRefused, err)
	}
	m, err := a.ready(ctx, id, s)
	if err != nil {
		return err
	}
	pgs, err := a.c.Tool.list(ctx, id)
	if err != nil {
		return err
	}
	var entries int64
	for i, pg := range pgs {
		tell(w, s, i, len(pgs), entries)
		note, done := w.Recorded(pg)
		if !done {
			if err := w.Gate(ctx); err != nil {
				return fmt.Errorf("%d of %d placement groups are done, and stay trimmed: %w", i, len(pgs), err)
			}
			if note, err = a.trimPG(ctx, m, id, pg, l); err != nil {
				return fmt.Errorf("%s of osd.%d: %w", pg, id, err)
			}
			if err := w.Record(pg, note); err != nil {
				return err
			}
		}
		entries += lost(note)
	}
	tell(w, s, len(pgs), len(pgs), entries)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.proven[key(s)] = true
	return nil
}

// tell tells placement groups, and entries and dups as the rows that the plan
// counts: from those the time is told that all of the plan will still take. Of
// an OSD whose rows the plan did not know, the placement groups tell it.
func tell(w *stackmend.Work, s stackmend.Step, done, of int, entries int64) {
	w.Progress(int64(done), int64(of), "PGs")
	if s.Cost.Rows > 0 {
		w.Progress(entries, s.Cost.Rows, "rows")
	}
}

// ready refuses unless the OSD is down, as the step assumes it, and the store
// and the tool are its own.
func (a *Applier) ready(ctx context.Context, id int, s stackmend.Step) (*safety.Map, error) {
	m, err := a.down(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := a.holds(ctx, m, s); err != nil {
		return nil, err
	}
	if err := a.c.Tool.owner(ctx, id, s.Assumes["fsid"]); err != nil {
		return nil, err
	}
	v, err := a.c.Tool.version(ctx, id)
	if err != nil {
		return nil, err
	}
	if v.String() != s.Args["version"] {
		return nil, &stackmend.StaleError{Target: "ceph-objectstore-tool", Key: "version", Want: s.Args["version"], Got: v.String()}
	}
	return m, nil
}

// trimPG trims one placement group and says what became of it. The tool is not
// started for those that the plan expects to keep and the cluster still does.
func (a *Applier) trimPG(ctx context.Context, m *safety.Map, id int, pg string, l limits) (string, error) {
	if why := poolKeeps(m.Pools, pg); why != "" {
		return "kept: " + why, nil
	}
	ask := sync.OnceValues(func() (query, error) { return a.ask(ctx, id, pg) })
	if l.expected(pg) {
		go ask() // meanwhile the log is read
	} else if q, err := ask(); err != nil {
		return "", err
	} else if why := q.keeps(l.active); why != "" {
		return "kept: " + why, nil
	}
	before, err := a.c.Tool.log(ctx, id, pg)
	q, late := ask()
	if err := errors.Join(late, err); err != nil {
		return "", err
	}
	tail, remain, long := before.Trimmed(l.entries)
	many := l.dups > 0 && before.Dups > l.dups
	if !long && !many {
		return fmt.Sprintf("kept: %d entries and %d dups are within the limits", len(before.Entries), before.Dups), nil
	}
	if why, err := a.judge(ctx, m, id, pg, q, tail, l); why != "" || err != nil {
		return "kept: " + why, err
	}
	if long {
		if err := a.c.Tool.trim(ctx, id, pg, l.entries); err != nil {
			return "", err
		}
	}
	if many {
		if err := a.c.Tool.trimDups(ctx, id, pg, l.dups); err != nil {
			return "", err
		}
	}
	return a.prove(ctx, id, pg, l, before, tail, remain)
}

// judge reads what beside the log stands against a trim to a tail.
func (a *Applier) judge(ctx context.Context, m *safety.Map, id int, pg string, q query, tail Version, l limits) (string, error) {
	i, err := a.c.Tool.info(ctx, id, pg)
	if err != nil {
		return "", err
	}
	if why := judge(i, q, tail, l.active); why != "" {
		return why, nil
	}
	if p, _ := poolOf(m.Pools, pg); !p.Erasure() {
		return "", nil
	}
	rolled, err := a.c.Tool.rolled(ctx, id, pg)
	if err != nil {
		return "", err
	}
	return judgeShard(rolled, tail), nil
}

// prove reads the log again.
func (a *Applier) prove(ctx context.Context, id int, pg string, l limits, before *Log, tail Version, remain []Entry) (string, error) {
	after, err := a.c.Tool.log(ctx, id, pg)
	if err != nil {
		return "", err
	}
	if err := proof(before, after, tail, remain); err != nil {
		return "", fmt.Errorf("%w: %w", stackmend.ErrNotDone, err)
	}
	if l.dups > 0 && after.Dups > l.dups {
		return "", fmt.Errorf("%w: %d dups of %d are left, not %d", stackmend.ErrNotDone, after.Dups, before.Dups, l.dups)
	}
	return fmt.Sprintf(trimmed, len(before.Entries), len(after.Entries), before.Tail, after.Tail, before.Dups, after.Dups), nil
}

const trimmed = "trimmed: entries %d -> %d, tail %v -> %v, dups %d -> %d"

// lost is how many entries and dups a placement group lost, by the note of its
// trim.
func lost(note string) int64 {
	var entries, dups [2]int64
	var from, to string
	if n, err := fmt.Sscanf(strings.Replace(note, ", dups", " dups", 1), strings.Replace(trimmed, ", dups", " dups", 1), &entries[0], &entries[1], &from, &to, &dups[0], &dups[1]); n < 6 || err != nil {
		return 0
	}
	return entries[0] - entries[1] + max(0, dups[0]-dups[1])
}

// ask asks the primary, and at the same time whether the OSD is still down:
// somebody may have started it meanwhile. Both are programs that take as long
// as a start of the tool.
func (a *Applier) ask(ctx context.Context, id int, pg string) (query, error) {
	answer := make(chan query, 1)
	go func() { answer <- a.query(ctx, pg) }()
	silent, err := a.stillDown(ctx, id)
	q := <-answer
	switch {
	case err != nil:
		return query{}, fmt.Errorf("before %s: %w", pg, err)
	case silent && q.State == "": // the question was lost in the silence
		return a.query(ctx, pg), nil
	}
	return q, nil
}

// query asks the primary. No answer is an empty one, which keeps.
func (a *Applier) query(ctx context.Context, pg string) (q query) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := ceph.Ask(ctx, a.c.Cluster, ceph.Command{To: ceph.ToPG(wholeGroup(pg)), Prefix: "query"})
	if err != nil || json.Unmarshal(body, &q) != nil {
		return query{}
	}
	return q
}
