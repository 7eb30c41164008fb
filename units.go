package stackmend

import (
	"errors"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"
)

// A unit is what runs in order within a stage: a lone step, or the steps that
// a group has in that stage.
type unit struct {
	group string
	steps []int
}

// stages cuts a plan into its stages, in order, and each into its units.
func stages(steps []Step) [][]unit {
	type key struct {
		stage int
		group string
	}
	byStage, seen := map[int][]unit{}, map[key]int{}
	for i, s := range steps {
		units, k := byStage[s.Stage], key{s.Stage, s.Group}
		at, ok := seen[k]
		if !ok || s.Group == "" {
			at = len(units)
			units, seen[k] = append(units, unit{group: s.Group}), at
		}
		units[at].steps = append(units[at].steps, i)
		byStage[s.Stage] = units
	}
	var out [][]unit
	for _, stage := range slices.Sorted(maps.Keys(byStage)) {
		out = append(out, byStage[stage])
	}
	return out
}

// stage runs the units of a stage side by side, Options.Parallel at most.
func (r *run) stage(units []unit) {
	var g errgroup.Group
	g.SetLimit(r.opt.Parallel)
	for _, u := range units {
		g.Go(func() error { r.unit(u); return nil })
	}
	_ = g.Wait()
}

// unit runs the steps of a unit one after the other. A step that fails ends
// its group; whether it ends the run is the budget's to say.
func (r *run) unit(u unit) {
	for _, i := range u.steps {
		if r.over() != nil || r.givenUp(u.group) {
			return
		}
		err := r.step(i)
		if err == nil {
			continue
		}
		if errors.Is(err, errStopped) {
			return
		}
		r.note(err)
		if !r.passOver(i) {
			r.stop(err)
			return
		}
		if u.group == "" {
			continue
		}
		if err := r.revertOpen(u.group); err != nil {
			r.note(err)
			r.stop(err)
		}
		return
	}
}

// passOver spends the failure budget on a stale or failed step. A group that
// reaches into other stages is not passed over, for their steps rely on it.
func (r *run) passOver(i int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.outcomes[i].State; s != Stale && s != Failed {
		return false
	}
	if r.budget <= 0 || r.spans(r.plan.Steps[i].Group) {
		return false
	}
	r.budget--
	return true
}

func (r *run) spans(group string) bool {
	if group == "" {
		return false
	}
	first, last := -1, -1
	for i, s := range r.plan.Steps {
		if s.Group == group {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	return r.plan.Steps[first].Stage != r.plan.Steps[last].Stage
}

// givenUp reports whether the group was reverted or had a step that failed.
func (r *run) givenUp(group string) bool {
	if group == "" {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, s := range r.plan.Steps {
		st := r.outcomes[i].State
		if s.Group == group && !r.resumed[i] && (st == Reverted || st == Failed || st == Stale) {
			return true
		}
	}
	return false
}

// opensGroup reports whether step i is a lone step or the first of its group
// to be begun: the places where a plan's expiry counts. A group that is open
// is finished.
func (r *run) opensGroup(i int) bool {
	g := r.plan.Steps[i].Group
	if g == "" {
		return true
	}
	return !slices.ContainsFunc(r.order, func(j int) bool { return r.plan.Steps[j].Group == g })
}

// preceded reports whether another step must run before step i.
func (r *run) preceded(i int) bool {
	s := r.plan.Steps[i]
	if s.Stage > r.lowest {
		return true
	}
	return s.Group != "" && slices.ContainsFunc(r.plan.Steps[:i], func(t Step) bool { return t.Group == s.Group })
}
