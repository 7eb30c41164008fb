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

// Verify implements stackmend.Applier: a setting is in effect when the database
// has it and every OSD that is up uses it; a flag when the map shows it.
func (a *Applier) Verify(ctx context.Context, s stackmend.Step) error {
	if err := known(s); err != nil {
		return err
	}
	switch s.Verb {
	case VerbConfig:
		return a.verify(ctx, map[string]string{s.Target: s.Args["value"]})
	case VerbConfirm:
		if !a.waited.Load() {
			return fmt.Errorf("%w: the time until the second look has not passed", stackmend.ErrNotDone)
		}
		return a.verify(ctx, values(s))
	}
	ctx, cancel := a.within(ctx)
	defer cancel()
	m, err := flags.Read(ctx, a.c)
	if err != nil {
		return err
	}
	f, err := flags.Parse(s.Target)
	if err == nil && m.Has(f) != (s.Verb == VerbSetFlag) {
		err = fmt.Errorf("%w: flag %s is set: %t", stackmend.ErrNotDone, f, m.Has(f))
	}
	return err
}

// values are the settings that a confirmation looks at.
func values(s stackmend.Step) map[string]string {
	m := map[string]string{}
	for k, v := range s.Args {
		if name, ok := strings.CutPrefix(k, "value."); ok {
			m[name] = v
		}
	}
	return m
}

func (a *Applier) verify(ctx context.Context, want map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if err := a.holds(ctx, name, want[name]); err != nil {
			return err
		}
	}
	return nil
}

// holds looks at the database first, and polls the daemons only if it has the
// value: they learn it a moment later.
func (a *Applier) holds(ctx context.Context, name, value string) error {
	for end := time.Now().Add(a.o.Wait); ; {
		err := a.once(ctx, name, value)
		if !errors.Is(err, errNotYet) || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// errNotYet: the database has the value, a daemon does not use it.
var errNotYet = fmt.Errorf("%w: a daemon does not use it", stackmend.ErrNotDone)

func (a *Applier) once(ctx context.Context, name, value string) error {
	ctx, cancel := a.within(ctx)
	defer cancel()
	got, err := readValue(ctx, a.c, name)
	if err != nil {
		return err
	}
	if !same(got, value) {
		return fmt.Errorf("%w: the database has %s = %q, not %q", stackmend.ErrNotDone, name, got, value)
	}
	if value == "" {
		return nil // each daemon falls back to what its own file or release says
	}
	m, err := flags.Read(ctx, a.c)
	if err != nil {
		return err
	}
	if len(m.Up) == 0 {
		return errors.New("ceph/pressure: no OSD is up, so none could be asked")
	}
	err = inEffect(ctx, a.c, m.Up, name, value)
	if errors.Is(err, stackmend.ErrNotDone) {
		return fmt.Errorf("%w: %w", errNotYet, err)
	}
	return err
}
