package pglog

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/stackmend/stackmend/ceph/internal/safety"
)

// A shard of an erasure coded pool keeps, with the entries of its log, what it
// needs to roll them back, until all shards have committed them. Up to
// rollback_info_trimmed_to, which is never past can_rollback_to, it has let go
// of that (src/osd/PGLog.h at v16.2.15): entries beyond are not to be trimmed,
// for what they would be rolled back by would never be removed, and a shard
// that is ahead of the others could not go back to where they are.
const rolledForward = "rollback_info_trimmed_to"

// rolled reads up to where a stopped OSD's shard cannot be rolled back any
// more. Neither info nor log tell it; it lies beside them, in the omap of the
// placement group's own object, whose name is empty.
func (t Tool) rolled(ctx context.Context, osd int, pg string) (Version, error) {
	var out []byte
	if err := t.on(ctx, osd, whole(&out), "--pgid", pg, "", "get-omap", rolledForward); err != nil {
		return Version{}, err
	}
	v, err := decodeVersion(out)
	if err != nil {
		err = fmt.Errorf("pglog: %s of %s: %w", rolledForward, pg, err)
	}
	return v, err
}

// decodeVersion reads an eversion_t as it is stored: the number, then the
// epoch, the lowest byte first.
func decodeVersion(b []byte) (Version, error) {
	if len(b) != 12 {
		return Version{}, fmt.Errorf("%d bytes are not a version: %.20x", len(b), b)
	}
	return Version{uint64(binary.LittleEndian.Uint32(b[8:])), binary.LittleEndian.Uint64(b)}, nil
}

// poolOf finds the pool of a placement group.
func poolOf(pools []safety.Pool, pg string) (p safety.Pool, ok bool) {
	id, _, _ := strings.Cut(pg, ".")
	for _, p := range pools {
		if fmt.Sprint(p.ID) == id {
			return p, true
		}
	}
	return p, false
}

// poolKeeps says why its pool forbids to trim a placement group.
func poolKeeps(pools []safety.Pool, pg string) string {
	switch p, ok := poolOf(pools, pg); {
	case !ok:
		return "its pool is not in the map"
	case strings.Contains(p.FlagNames, "ec_optimizations"):
		return "its pool has allow_ec_optimizations, which changes what last_complete means"
	}
	return ""
}

// wholeGroup is what the cluster calls a placement group of which a store has
// a shard: 3.1f of 3.1fs2.
func wholeGroup(shard string) string {
	pg, _, _ := strings.Cut(shard, "s")
	return pg
}
