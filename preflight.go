package stackmend

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// preflight refuses what can be refused before anything is looked at.
func (r *run) preflight(now time.Time) error {
	p := r.plan
	if err := p.valid(); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if id := p.ID(); r.opt.PlanID != "" && r.opt.PlanID != id {
		return fmt.Errorf("%w: plan %q was approved, this one is %q", ErrEdited, r.opt.PlanID, id)
	}
	if r.opt.Mode > Revert {
		return fmt.Errorf("%w: unknown mode %d", ErrRefused, r.opt.Mode)
	}
	if r.opt.Mode == Revert {
		return r.preflightRevert()
	}
	if len(p.Refusals) > 0 {
		return fmt.Errorf("%w: %s", ErrRefused, strings.Join(p.Refusals, "; "))
	}
	if err := p.alive(now); err != nil {
		if open := r.opt.Journal.Open(); len(open) > 0 {
			err = fmt.Errorf("%w; the journal has %d steps open: revert it", err, len(open))
		}
		return err
	}
	if err := r.preflightSteps(); err != nil {
		return err
	}
	if err := r.opt.Journal.accepts(p); err != nil {
		return err
	}
	return r.collectGuards()
}

// alive reports whether the plan may be applied at this time.
func (p *Plan) alive(now time.Time) error {
	switch {
	case p.Expires.IsZero():
		return fmt.Errorf("%w: it has no expiry", ErrExpired)
	case !now.Before(p.Expires):
		return fmt.Errorf("%w: at %s; make a new one", ErrExpired, p.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}

func (r *run) preflightSteps() error {
	for _, s := range r.plan.Steps {
		if s.Verb == "" || s.Target == "" {
			return fmt.Errorf("%w: a step without verb or target", ErrRefused)
		}
		if s.Cost.negative() {
			return fmt.Errorf("%w: %s has a cost below zero", ErrRefused, s)
		}
		if err := r.reversible(s); err != nil && r.opt.Mode == Apply {
			return err
		}
	}
	if err := r.groupsRevert(); err != nil {
		return err
	}
	return groupsInOrder(r.plan.Steps)
}

// groupsRevert refuses groups of several steps with an applier that could not
// undo them.
func (r *run) groupsRevert() error {
	members := map[string]int{}
	for _, s := range r.plan.Steps {
		if members[s.Group]++; s.Group != "" && members[s.Group] > 1 && !r.reverts() {
			return fmt.Errorf("%w: group %s needs an applier that can revert", ErrRefused, s.Group)
		}
	}
	return nil
}

func (r *run) reverts() bool {
	_, ok := r.applier.(Reverter)
	return ok
}

// reversible refuses a step without Undo unless such steps are permitted.
func (r *run) reversible(s Step) error {
	if s.Undo == "" && !r.opt.Irreversible {
		return fmt.Errorf("%w: %s cannot be undone, and irreversible steps are not permitted", ErrRefused, s)
	}
	return nil
}

// groupsInOrder refuses a group whose stages go backwards: its steps would
// not run in the order in which they stand.
func groupsInOrder(steps []Step) error {
	stage := map[string]int{}
	for _, s := range steps {
		if s.Group == "" {
			continue
		}
		if last, ok := stage[s.Group]; ok && s.Stage < last {
			return fmt.Errorf("%w: group %s goes back from stage %d to %d", ErrRefused, s.Group, last, s.Stage)
		}
		stage[s.Group] = s.Stage
	}
	return nil
}

func (r *run) preflightRevert() error {
	j := r.opt.Journal
	if j == nil || j.Plan() == nil {
		return fmt.Errorf("%w: nothing to revert: no journal of an interrupted run", ErrRefused)
	}
	if id := j.Plan().ID(); id != r.plan.ID() {
		return fmt.Errorf("%w: the journal is of plan %.12s, not of %.12s", ErrJournal, id, r.plan.ID())
	}
	return r.groupsRevert()
}

// collectGuards puts the applier's own guards first. They are asked for once,
// so that a guard may keep state over the run.
func (r *run) collectGuards() error {
	var own []Guard
	err := <-start(func() error { own = r.applier.Guards(); return nil })
	if err != nil {
		return fmt.Errorf("%w: the applier's guards: %w", ErrRefused, err)
	}
	for _, g := range slices.Concat(own, r.opt.Guards) {
		if g == nil {
			return fmt.Errorf("%w: a guard is nil", ErrRefused)
		}
		named := namedGuard{Guard: g}
		if err := <-start(func() error { named.name = g.Name(); return nil }); err != nil {
			return fmt.Errorf("%w: the name of a guard: %w", ErrRefused, err)
		}
		r.guards = append(r.guards, named)
	}
	return nil
}

type namedGuard struct {
	Guard
	name string
}
