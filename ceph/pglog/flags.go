package pglog

import (
	"context"
	"fmt"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/safety"
)

// mayBeAway refuses unless an OSD that is stopped stays in, and may come back:
// whoever set a flag may have unset it since the plan. A flag that the plan
// sets before counts as set.
func (a *Applier) mayBeAway(ctx context.Context, r stackmend.Request) (stackmend.Verdict, error) {
	if r.Step.Verb != verbStop || r.Begun {
		return stackmend.Verdict{Decision: stackmend.Permit}, nil
	}
	id, err := number(r.Step.Target)
	if err != nil {
		return stackmend.Verdict{}, err
	}
	return safety.Verdict(a.away(ctx, id, will(r, verbSet))), nil
}

func (a *Applier) away(ctx context.Context, id int, noout bool) error {
	flags, err := flagsOf(ctx, a.c.Cluster, id)
	if err != nil {
		return err
	}
	if why := safety.StaysAway(flags); why != "" {
		return fmt.Errorf("%w: osd.%d: %s", stackmend.ErrRefused, id, why)
	}
	if !noout && !safety.HasFlag(flags, flag) {
		return fmt.Errorf("%w: %s is not set, neither for the cluster nor for osd.%d: stopped, it would be marked out, and its data copied: ceph osd set %s, or make a new plan", stackmend.ErrRefused, flag, id, flag)
	}
	return nil
}

// flagsOf reads the flags of one OSD, and noout of the cluster.
func flagsOf(ctx context.Context, to ceph.Commander, id int) ([]string, error) {
	m, err := safety.Dump(ctx, to)
	if err != nil {
		return nil, err
	}
	var tree struct{ Nodes []node }
	if len(m.Nodes)+len(m.Classes) > 0 {
		if err := ask(ctx, to, "osd tree", &tree); err != nil {
			return nil, err
		}
	}
	at := placesIn(tree.Nodes, "")[id]
	flags := m.FlagsOf(id, at.class, at.in)
	if m.Has(flag) {
		flags = append(flags, flag+"@cluster")
	}
	return flags, nil
}
