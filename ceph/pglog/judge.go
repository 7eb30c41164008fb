package pglog

import (
	"fmt"
	"slices"
	"strings"
)

// A member is a peer of a placement group, as its primary knows it.
type member struct {
	Peer     string
	Update   string `json:"last_update"`
	Backfill string `json:"last_backfill"`
}

// query is what is read of `pg PGID query`.
type query struct {
	State string
	Info  member
	Peers []member `json:"peer_info"`
}

// keeps says why a placement group must not be trimmed, whatever its log is;
// empty: nothing is known against it.
func (q query) keeps(active bool) string {
	switch {
	case q.State == "":
		return "its primary did not say how far its peers are"
	case !active && slices.Contains(strings.Split(q.State, "+"), "active"):
		return "it is " + q.State + ": its log trims with the next writes"
	}
	return ""
}

// judge says why a stopped OSD's placement group must not be trimmed to a
// tail; empty: it may be.
func judge(i info, q query, tail Version, active bool) string {
	if why := q.keeps(active); why != "" {
		return why
	}
	switch {
	case i.Complete != i.Update:
		return fmt.Sprintf("last_complete %s is not last_update %s: it lacks objects that its log names", i.Complete, i.Update)
	case i.Backfill != "MAX":
		return "it is being backfilled up to " + i.Backfill
	}
	for _, m := range append([]member{q.Info}, q.Peers...) {
		v, err := ParseVersion(m.Update)
		switch {
		case err != nil:
			return fmt.Sprintf("the last_update of peer %s is not understood: %v", m.Peer, err)
		case v.Before(tail):
			return fmt.Sprintf("peer %s is at %s, before the new tail %s: its recovery would become backfill", m.Peer, v, tail)
		}
	}
	return ""
}

// judgeShard says why a shard of an erasure coded pool must not be trimmed to a
// tail; empty: it may be.
func judgeShard(rolled, tail Version) string {
	if rolled.Before(tail) {
		return fmt.Sprintf("what is past %s may still be rolled back (%s), and the new tail would be %s", rolled, rolledForward, tail)
	}
	return ""
}

// proof says what of a trim is not as it should be; nil: all of it is.
func proof(before, after *Log, tail Version, remain []Entry) error {
	switch {
	case after.Head != before.Head:
		return fmt.Errorf("the head was %s and is %s: something else wrote to the store", before.Head, after.Head)
	case after.Tail == before.Tail && tail != before.Tail:
		return fmt.Errorf("the tail is %s as before, not %s: nothing was trimmed", after.Tail, tail)
	case after.Tail != tail:
		return fmt.Errorf("the tail is %s, not %s", after.Tail, tail)
	case !slices.Equal(after.Entries, remain):
		return fmt.Errorf("%d entries remain, and they are not the %d that stood there before", len(after.Entries), len(remain))
	}
	return nil
}
