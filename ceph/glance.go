package ceph

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Glance asks little enough to be asked every few seconds of a cluster in need:
// the OSD map, whether a manager is there, the OSDs' latencies, the states of
// placement groups by number, and the counters of the OSDs in o.OSDs (nil:
// none). What is missing stands in Unseen, as with Observe.
func Glance(ctx context.Context, c Commander, o Options) (*Snapshot, error) {
	o.NoDaemons = o.OSDs == nil
	o, err := o.defaults(c)
	if err != nil {
		return nil, err
	}
	w := &observer{Options: o, to: c, s: &Snapshot{Taken: o.Now().UTC()}}
	if err := w.ask(ctx, osdMapSource()); err != nil {
		return w.s, fmt.Errorf("ceph: no OSD map: %w", err)
	}
	mgr := source{command: Command{To: Target{Kind: KindMon}, Prefix: "mgr dump"}, read: (*Snapshot).readMgr}
	for _, src := range []source{mgr, osdPerfSource(), statusSource()} {
		_ = w.ask(ctx, src) // stands in Unseen
	}
	if !o.NoDaemons {
		w.daemons(ctx)
	}
	slices.SortFunc(w.s.Unseen, func(a, b Unseen) int { return strings.Compare(a.Source, b.Source) })
	return w.s, context.Cause(ctx)
}

// HeapOf asks one OSD how its allocator uses memory. Without tcmalloc it cannot
// tell: a *CommandError.
//
// Similar To: ceph tell osd.N heap stats
func HeapOf(ctx context.Context, c Commander, id int) (*Heap, error) {
	r, err := c.Command(ctx, Command{To: ToOSD(id), Prefix: "heap", Text: true, Args: []Arg{{"heapcmd", "stats"}}})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var d Daemon
	if err := d.readHeap(r); err != nil {
		return nil, err
	}
	return d.Heap, nil
}
