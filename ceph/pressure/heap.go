package pressure

import (
	"context"
	"fmt"
	"strconv"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// A fragmented OSD has this much free in its allocator, and this share of what
// its process uses.
const (
	fragmentedBytes = 256 << 20
	fragmentedShare = 4 // a fourth
)

// PlanHeap plans to let OSDs give free pages back to the kernel, where their
// allocator (tcmalloc) holds at least 256 MiB and a fourth of the process for
// itself. Nothing is lost by it, so nothing is put back. OSDs built without
// tcmalloc cannot tell, and are kept.
func PlanHeap(s *ceph.Snapshot, p Policy) *stackmend.Plan {
	plan := p.newPlan("heap", s)
	for _, o := range up(s) {
		id := "osd." + strconv.Itoa(o.ID)
		switch {
		case o.Daemon == nil || o.Daemon.Heap == nil:
			keep(plan, id, "did not tell how its heap is used; without tcmalloc it cannot")
		case o.Daemon.Heap.Freelist < max(fragmentedBytes, o.Daemon.Heap.Physical/fragmentedShare):
			keep(plan, id, "has %d MiB free in its allocator: not fragmented", o.Daemon.Heap.Freelist>>20)
		default:
			free := o.Daemon.Heap.Freelist
			plan.Steps = append(plan.Steps, stackmend.Step{
				Verb: VerbHeap, Target: id, Undo: "nothing: free pages are taken again when they are needed",
				Reason:  fmt.Sprintf("%d MiB of %d are free in its allocator", free>>20, o.Daemon.Heap.Physical>>20),
				Args:    map[string]string{"most": strconv.FormatInt(free/2, 10)},
				Assumes: map[string]string{"fsid": s.FSID}, Cost: stackmend.Cost{Bytes: free},
			})
		}
	}
	return plan
}

// releaseHeap: Similar To: ceph tell osd.N heap release
func (a *Applier) releaseHeap(ctx context.Context, s stackmend.Step) error {
	id, err := osdID(s.Target)
	if err != nil {
		return err
	}
	ctx, cancel := a.within(ctx)
	defer cancel()
	return tell(ctx, a.c, ceph.ToOSD(id), "heap", ceph.Arg{Name: "heapcmd", Value: "release"})
}

// released reports whether the allocator holds at most half of what it did.
func (a *Applier) released(ctx context.Context, s stackmend.Step) error {
	id, err := osdID(s.Target)
	if err != nil {
		return err
	}
	most, err := strconv.ParseInt(s.Args["most"], 10, 64)
	if err != nil {
		return fmt.Errorf("%w: ceph/pressure: a heap of %q bytes", stackmend.ErrRefused, s.Args["most"])
	}
	ctx, cancel := a.within(ctx)
	defer cancel()
	h, err := ceph.HeapOf(ctx, a.c, id)
	if err == nil && h.Freelist > most {
		err = fmt.Errorf("%w: %s still has %d bytes free in its allocator", stackmend.ErrNotDone, s.Target, h.Freelist)
	}
	return err
}
