package pglog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/safety"
)

// Beside those of the whole cluster, an OSD has flags of its own, of the CRUSH
// buckets that it lies in, and of its device class (`ceph osd set-group`,
// `ceph osd add-noout`; OSDMap::is_noout in src/osd/OSDMap.h at v16.2.15).
// They are always somebody else's: this package sets none.
type flagged struct {
	Flags   string
	Nodes   map[string][]string `json:"crush_node_flags"`
	Classes map[string][]string `json:"device_class_flags"`
	OSDs    []struct {
		ID    int `json:"osd"`
		State []string
	}
}

// setFor are flags that matter for one OSD, each with whom it is set for:
// noout@host0. In states stand other words too.
func (f flagged) setFor(id int, p place) (out []string) {
	add := func(flags []string, whom string) {
		for _, name := range []string{flag, "noup", "nodown"} {
			if slices.Contains(flags, name) {
				out = append(out, name+"@"+whom)
			}
		}
	}
	for _, bucket := range p.in {
		add(f.Nodes[bucket], bucket)
	}
	add(f.Classes[p.class], p.class)
	for _, o := range f.OSDs {
		if o.ID == id {
			add(o.State, osdName(id))
		}
	}
	return out
}

// has reports whether flags as those of setFor have one of a name.
func has(flags []string, name string) bool {
	return slices.ContainsFunc(flags, func(f string) bool { return strings.HasPrefix(f, name+"@") })
}

// staysAway says why an OSD that is stopped under such flags would not be
// missed, or would not come back.
func staysAway(flags []string) string {
	if has(flags, "noup") || has(flags, "nodown") {
		return fmt.Sprintf("flags are set (%s) under which an OSD that is restarted does not come back, or is not missed: ceph osd unset-group", strings.Join(flags, ", "))
	}
	return ""
}

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
	if why := staysAway(flags); why != "" {
		return fmt.Errorf("%w: osd.%d: %s", stackmend.ErrRefused, id, why)
	}
	if !noout && !has(flags, flag) {
		return fmt.Errorf("%w: %s is not set, neither for the cluster nor for osd.%d: stopped, it would be marked out, and its data copied: ceph osd set %s, or make a new plan", stackmend.ErrRefused, flag, id, flag)
	}
	return nil
}

// flagsOf reads the flags of one OSD, and noout of the cluster.
func flagsOf(ctx context.Context, to ceph.Commander, id int) ([]string, error) {
	var f flagged
	if err := ask(ctx, to, "osd dump", &f); err != nil {
		return nil, err
	}
	var tree struct{ Nodes []node }
	if len(f.Nodes)+len(f.Classes) > 0 {
		if err := ask(ctx, to, "osd tree", &tree); err != nil {
			return nil, err
		}
	}
	flags := f.setFor(id, placesIn(tree.Nodes, "")[id])
	if slices.Contains(strings.Split(f.Flags, ","), flag) {
		flags = append(flags, flag+"@cluster")
	}
	return flags, nil
}
