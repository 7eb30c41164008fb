package pressure

import (
	"context"
	"fmt"
	"slices"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/flags"
)

// setHardLimit: Similar To: ceph osd set pglog_hardlimit
//
// The monitors refuse it themselves while an OSD that is up lacks the feature;
// Recheck has compared the members with those of the plan.
func (a *Applier) setHardLimit(ctx context.Context, s stackmend.Step) error {
	if err := a.hasHardLimit(ctx); err == nil {
		return nil
	}
	if err := a.Recheck(ctx, s); err != nil {
		return err
	}
	ctx, cancel := a.within(ctx)
	defer cancel()
	return tell(ctx, a.c, mon, "osd set", ceph.Arg{Name: "key", Value: hardLimit})
}

func (a *Applier) hasHardLimit(ctx context.Context) error {
	ctx, cancel := a.within(ctx)
	defer cancel()
	m, err := flags.Read(ctx, a.c)
	if err == nil && !slices.Contains(m.Flags, hardLimit) {
		err = fmt.Errorf("%w: the map does not have the flag %s", stackmend.ErrNotDone, hardLimit)
	}
	return err
}
