package dbarchive

import (
	"errors"
	"slices"
	"testing"

	"github.com/stackmend/stackmend"
)

// What a run has seen of the tables is good for preparing a step, and for
// nothing more: if they are otherwise now, the step does not begin.
func TestTablesSeenBefore(t *testing.T) {
	t.Parallel()
	w := fresh(t).small(t)
	p, a := w.plan(t, cell1), NewApplier(w.dbs, quick())
	step := p.Steps[slices.IndexFunc(p.Steps, func(s stackmend.Step) bool { return s.Verb == VerbArchive })]
	r, err := parse(step)
	must(t, err)
	r.api = false
	cell, err := a.work(t.Context(), step)
	must(t, err)
	sess, err := open(t.Context(), cell.cell.DB)
	must(t, err)
	defer sess.drop()

	w.exec(t, "ALTER TABLE nova.shadow_instance_faults ADD seen_once INT")
	_, err = a.look(t.Context(), step, sess)
	w.exec(t, "ALTER TABLE nova.shadow_instance_faults DROP seen_once")
	must(t, err)
	if _, _, err := a.mover(t.Context(), step, sess, cell, r); !errors.Is(err, errShape) {
		t.Fatalf("a step was prepared for tables as they were: %v", err)
	}
	m, _, err := a.mover(t.Context(), step, sess, cell, r) // they were looked at again
	must(t, err)
	m.close()

	w.exec(t, "ALTER TABLE nova.shadow_instance_faults ADD seen_once INT")
	_, _, err = a.mover(t.Context(), step, sess, cell, r)
	w.exec(t, "ALTER TABLE nova.shadow_instance_faults DROP seen_once")
	if !errors.Is(err, stackmend.ErrStale) {
		t.Fatalf("tables that changed since they were seen: %v", err)
	}
}
