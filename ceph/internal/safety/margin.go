package safety

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// A PG is a placement group as the manager knows it.
type PG struct {
	ID      string `json:"pgid"`
	State   string
	Acting  []int
	Epoch   json.Number `json:"reported_epoch"`
	LogSize int64       `json:"log_size"`
	Dups    int64       `json:"log_dups_size"`
}

// none is CRUSH_ITEM_NONE: a shard without an OSD.
const none = 1<<31 - 1

// PGs lists the placement groups of an OSD.
func PGs(ctx context.Context, to ceph.Commander, osd int) ([]PG, error) {
	var raw json.RawMessage
	c := ceph.Command{To: ceph.Target{Kind: ceph.KindMgr}, Prefix: "pg ls-by-osd", Args: []ceph.Arg{{Name: "osd", Value: osd}}}
	if err := ask(ctx, to, c, &raw); err != nil {
		return nil, err
	}
	var now struct {
		Ready *bool `json:"pg_ready"`
		PGs   *[]PG `json:"pg_stats"`
	}
	if raw[0] == '[' { // before Nautilus: the list alone
		now.PGs = new([]PG)
		return *now.PGs, json.Unmarshal(raw, now.PGs)
	}
	if err := json.Unmarshal(raw, &now); err != nil {
		return nil, fmt.Errorf("ceph: pg ls-by-osd: %w", err)
	}
	if now.PGs == nil || now.Ready != nil && !*now.Ready {
		return nil, errors.New("ceph: pg ls-by-osd: the manager does not know the placement groups yet")
	}
	return *now.PGs, nil
}

// A Policy is how much must be left of a placement group. The zero value is
// the strict one.
type Policy struct {
	// Lowest is how many members must be left, if min_size or the k + 1 of an
	// erasure coded pool do not ask for more; 0: 2.
	Lowest int
	// NoSpare permits that of an erasure coded pool just k are left, not k + 1.
	NoSpare bool
	// Degraded permits stopping an OSD whose placement groups are degraded or
	// inactive already.
	Degraded bool
	// Inactive reports whether a placement group may be inactive when the OSD
	// is back, for it was before; nil: none may.
	Inactive func(pg string) bool
}

// mayStay reports whether a placement group that was inactive before is so
// again, and not merely on its way.
func (p Policy) mayStay(pg PG) bool {
	words := strings.Split(pg.State, "+")
	return p.Inactive != nil && p.Inactive(pg.ID) && !slices.Contains(words, "peering") && !slices.Contains(words, "stale") &&
		slices.ContainsFunc([]string{"peered", "down", "incomplete"}, func(at string) bool { return slices.Contains(words, at) })
}

// Margin refuses if stopping all of these OSDs together would leave a
// placement group with fewer members than min_size, or than two (erasure coded:
// than k + 1), or if one of theirs is degraded already.
func Margin(ctx context.Context, to ceph.Commander, m *Map, p Policy, osds ...int) error {
	for _, id := range osds {
		if o := m.OSD(id); o != nil && o.Up == 0 {
			// The manager refuses to tell what one that is down had (EAGAIN).
			// Where it is missed, those that shall follow are told to be degraded.
			continue
		}
		pgs, err := PGs(ctx, to, id)
		if err != nil {
			return err
		}
		for _, pg := range pgs {
			if err := m.margin(pg, p, osds); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *Map) margin(pg PG, p Policy, osds []int) error {
	if !p.Degraded && unwell(pg.State) {
		return refuse("placement group %s is %s already", pg.ID, pg.State)
	}
	if !slices.ContainsFunc(pg.Acting, func(id int) bool { return slices.Contains(osds, id) }) {
		return nil // it is on its way here or away from here
	}
	pool, err := m.pool(pg.ID)
	if err != nil {
		return err
	}
	floor, err := m.floor(pool, p)
	if err != nil {
		return err
	}
	left := 0
	for _, id := range pg.Acting {
		if id != none && id >= 0 && !slices.Contains(osds, id) {
			left++
		}
	}
	if left < floor && !(p.Degraded && !strings.Contains(pg.State, "active")) {
		return refuse("placement group %s of pool %s would be left with %d of %d members, and needs %d", pg.ID, pool.Name, left, pool.Size, floor)
	}
	return nil
}

// unwell reports whether a placement group lacks something already.
func unwell(state string) bool {
	words := strings.Split(state, "+")
	for _, bad := range []string{"degraded", "undersized", "incomplete", "down", "unfound", "stale", "unknown", "inconsistent", "peering", "remapped", "backfill_toofull", "recovery_toofull"} {
		if slices.Contains(words, bad) {
			return true
		}
	}
	return !slices.Contains(words, "active")
}

// Settled refuses until an OSD is up and its placement groups are active and
// not degraded, or as inactive as they may be, as the manager knew them after
// the map in which it came up.
func Settled(ctx context.Context, to ceph.Commander, p Policy, osd int) error {
	m, err := Dump(ctx, to)
	if err != nil {
		return err
	}
	o := m.OSD(osd)
	switch {
	case o == nil:
		return fmt.Errorf("ceph: osd.%d is not in the map", osd)
	case o.Up != 1:
		return refuse("osd.%d is down", osd)
	}
	pgs, err := PGs(ctx, to, osd)
	if err != nil {
		return err
	}
	for _, pg := range pgs {
		epoch, err := pg.Epoch.Int64()
		switch words := strings.Split(pg.State, "+"); {
		case err != nil:
			return fmt.Errorf("ceph: placement group %s does not say of which epoch its state is", pg.ID)
		case int(epoch) < o.UpFrom:
			return refuse("placement group %s has not reported since osd.%d came up", pg.ID, osd)
		case p.mayStay(pg):
		case !slices.Contains(words, "active") || !p.Degraded && (slices.Contains(words, "degraded") || slices.Contains(words, "undersized")):
			return refuse("placement group %s is %s", pg.ID, pg.State)
		}
	}
	return nil
}

// MayStop is all of it: flags, manager, margin, and ok-to-stop about all of
// these OSDs together.
func MayStop(ctx context.Context, to ceph.Commander, p Policy, osds ...int) error {
	m, err := Dump(ctx, to)
	if err != nil {
		return err
	}
	if err := m.Restartable(); err != nil {
		return err
	}
	if err := Trust(ctx, to); err != nil {
		return err
	}
	if err := Margin(ctx, to, m, p, osds...); err != nil {
		return err
	}
	return okToStop(ctx, to, p, osds)
}

// Verdict makes of an answer what a guard says: no is Wait, for it may be yes
// later, and so is what could not be found out just now.
func Verdict(err error) stackmend.Verdict {
	if err == nil {
		return stackmend.Verdict{Decision: stackmend.Permit}
	}
	return stackmend.Verdict{Decision: stackmend.Wait, Reason: err.Error(), RetryAfter: stopPoll}
}
