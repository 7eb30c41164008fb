package watchdog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/safety"
)

// askFor is how long the cluster may take for an answer before it counts as
// none: there is little time when it matters.
const askFor = 5 * time.Second

// An answer is whether a restart can be afforded. Never: no policy overrides it.
type answer struct {
	stackmend.Verdict
	never bool
}

func never(d stackmend.Decision, why string) answer {
	return answer{stackmend.Verdict{Decision: d, Reason: why}, true}
}

// afford asks the monitors and the manager, side by side.
func (a *Applier) afford(ctx context.Context, osd int) answer {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	to, p := a.Cluster, a.Policy
	var trust, ok, calm error
	var all sync.WaitGroup
	all.Go(func() { calm = a.calm(ctx) })
	all.Go(func() { trust = safety.Trust(ctx, to) })
	all.Go(func() { ok = safety.OKToStop(ctx, to, osd) })
	m, err := safety.Dump(ctx, to)
	if err != nil {
		return never(stackmend.Wait, "the monitors do not say how the cluster is: "+err.Error())
	}
	if err := m.Restartable(); err != nil {
		return never(stackmend.Deny, err.Error())
	}
	if m.OSD(osd) == nil {
		return never(stackmend.Deny, fmt.Sprintf("the cluster has no osd.%d: this process belongs to another", osd))
	}
	if err := safety.ComesBack(ctx, to, m, osd); errors.Is(err, stackmend.ErrRefused) {
		return never(stackmend.Deny, err.Error())
	} else if err != nil {
		return never(stackmend.Wait, "the monitors do not say which flags osd."+fmt.Sprint(osd)+" has: "+err.Error())
	}
	if n := missing(m); n >= p.Storm {
		return answer{Verdict: stackmend.Verdict{Decision: stackmend.Wait, Reason: fmt.Sprintf("%d OSDs are down: restarts would feed the storm", n)}}
	}
	margin := safety.Margin(ctx, to, m, safety.Policy{}, osd)
	all.Wait()
	for _, err := range []error{calm, trust, ok, margin} {
		if err != nil {
			return answer{Verdict: safety.Verdict(err)}
		}
	}
	return answer{Verdict: stackmend.Verdict{Decision: stackmend.Permit, Reason: fmt.Sprintf("epoch %d: ok to stop, and each of its placement groups stays above its floor", m.Epoch)}}
}

// calm refuses while so many OSDs of the whole cluster were restarted a moment
// ago that one more would feed a storm.
func (a *Applier) calm(ctx context.Context) error {
	n, err := a.Claims.restarts(ctx)
	if err != nil {
		return err
	}
	if a.Restarts != nil {
		n += a.Restarts().since(time.Now().Add(-a.Policy.CoolDown))
	}
	if n >= a.Policy.Burst {
		return fmt.Errorf("%w: %d OSDs of the cluster were restarted in the last %v: restarts would feed the storm", stackmend.ErrRefused, n, a.Policy.CoolDown)
	}
	return nil
}

// missing counts OSDs that are down and not out.
func missing(m *safety.Map) (n int) {
	for _, o := range m.OSDs {
		if o.Up == 0 && o.In == 1 {
			n++
		}
	}
	return n
}

// daemonState is what an OSD says of itself: "active", "stopping"; empty: it
// does not answer.
func daemonState(ctx context.Context, to ceph.Commander, osd int) string {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	b, err := ceph.Ask(ctx, to, ceph.Command{To: ceph.ToOSD(osd), Prefix: "status"})
	var said struct{ State string }
	if err != nil || json.Unmarshal(b, &said) != nil {
		return ""
	}
	return said.State
}

// logBytes is what the PG logs of an OSD use; 0: it did not say.
func logBytes(ctx context.Context, to ceph.Commander, osd int) int64 {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	b, err := ceph.Ask(ctx, to, ceph.Command{To: ceph.ToOSD(osd), Prefix: "dump_mempools"})
	var said struct {
		Mempool struct {
			Pools map[string]struct{ Bytes int64 } `json:"by_pool"`
		}
	}
	if err != nil || json.Unmarshal(b, &said) != nil {
		return 0
	}
	return said.Mempool.Pools["osd_pglog"].Bytes
}
