package pressure

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/internal/flags"
)

// Verify implements stackmend.Applier: a value is in effect when it stands
// where it is kept, and a setting when every OSD that is up uses it as well.
func (a *Applier) Verify(ctx context.Context, s stackmend.Step) error {
	if err := known(s); err != nil {
		return err
	}
	switch {
	case s.Verb == VerbConfirm && !a.marked(a.ended, s):
		return fmt.Errorf("%w: the time until the second look has not passed", stackmend.ErrNotDone)
	case s.Verb == VerbConfirm:
		return a.verifyAll(ctx, confirmed(s))
	case s.Verb == VerbRaise:
		return a.climbed(ctx, s)
	case s.Verb == VerbHeap:
		return a.released(ctx, s)
	case s.Verb == VerbHardLimit:
		return a.hasHardLimit(ctx)
	case a.marked(a.foreign, s):
		return fmt.Errorf("%w: somebody else changed it first", stackmend.ErrNotDone)
	}
	return a.holds(ctx, s)
}

// confirmed are the settings that a confirmation looks at, as steps.
func confirmed(s stackmend.Step) []stackmend.Step {
	var out []stackmend.Step
	for _, k := range slices.Sorted(maps.Keys(s.Args)) {
		target, ok := strings.CutPrefix(k, "value.")
		if !ok {
			continue
		}
		step := stackmend.Step{Target: target, Args: map[string]string{}}
		for _, arg := range looksAt() {
			step.Args[arg] = s.Args[arg+"."+target]
		}
		step.Verb = settingVerb(step.Args)
		out = append(out, step)
	}
	return out
}

func (a *Applier) verifyAll(ctx context.Context, steps []stackmend.Step) error {
	for _, s := range steps {
		if err := a.holds(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// holds looks where the value is kept first, and polls the daemons only if it
// is there: they learn it a moment later.
func (a *Applier) holds(ctx context.Context, s stackmend.Step) error {
	for end := time.Now().Add(a.o.Wait); ; {
		err := a.once(ctx, s)
		if !errors.Is(err, errNotYet) || time.Now().After(end) {
			return err
		}
		if err := pause(ctx, 300*time.Millisecond); err != nil {
			return err
		}
	}
}

// errNotYet: the database has the value, a daemon does not use it.
var errNotYet = fmt.Errorf("%w: a daemon does not use it", stackmend.ErrNotDone)

func (a *Applier) once(ctx context.Context, s stackmend.Step) error {
	ctx, cancel := a.within(ctx)
	defer cancel()
	k, err := knobOf(s)
	if err != nil {
		return err
	}
	m, err := flags.Read(ctx, a.c)
	if err != nil {
		return err
	}
	value := s.Args["value"]
	got, err := k.get(ctx, a.c, m)
	if err != nil {
		return err
	}
	if s.Verb == VerbInject {
		if !injectedBy(s, got) {
			return fmt.Errorf("%w: OSDs use %s = %s, not %s", errNotYet, s.Target, got, value)
		}
		return nil
	}
	if !same(got, value) {
		return fmt.Errorf("%w: %s stands at %q, not at %q", stackmend.ErrNotDone, s.Target, got, value)
	}
	c, ok := k.(configKnob)
	if !ok {
		return nil
	}
	err = c.inEffect(ctx, a.c, m, func(used string) bool { return notUsed(s, used) })
	if errors.Is(err, stackmend.ErrNotDone) {
		return fmt.Errorf("%w: %w", errNotYet, err)
	}
	return err
}

// notUsed reports whether what a daemon uses is not what a step left. Where a
// setting was removed each daemon falls back to what its own file or release
// says: then it is enough that it does not use the removed value, which "left"
// tells, unless one used that before.
func notUsed(s stackmend.Step, now string) bool {
	if s.Args["value"] != "" {
		return !same(now, s.Args["value"])
	}
	left := s.Args["left"]
	before := slices.ContainsFunc(strings.Fields(s.Args["used"]), func(v string) bool { return same(v, left) })
	return left != "" && same(now, left) && !before
}
