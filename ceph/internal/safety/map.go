package safety

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/stackmend/stackmend/ceph"
)

// Map is what is read of `osd dump`.
type Map struct {
	Epoch    int
	FSID     string
	Require  string `json:"require_osd_release"`
	Flags    string
	Pools    []Pool
	OSDs     []OSD
	Profiles map[string]map[string]string `json:"erasure_code_profiles"`
	Nodes    map[string][]string          `json:"crush_node_flags"`
	Classes  map[string][]string          `json:"device_class_flags"`
}

// A Pool of the map.
type Pool struct {
	ID        int    `json:"pool"`
	Name      string `json:"pool_name"`
	FlagNames string `json:"flags_names"`
	Type      int
	Size      int
	MinSize   int    `json:"min_size"`
	Rule      int    `json:"crush_rule"`
	Profile   string `json:"erasure_code_profile"`
}

// Erasure reports whether the pool is erasure coded (pg_pool_t::TYPE_ERASURE).
func (p Pool) Erasure() bool { return p.Type == 3 }

// An OSD of the map.
type OSD struct {
	ID     *int   `json:"osd"`
	UUID   string `json:"uuid"`
	Up, In int
	UpFrom int      `json:"up_from"`
	State  []string // among other words, flags of its own
}

// Dump reads the OSD map.
func Dump(ctx context.Context, to ceph.Commander) (*Map, error) {
	var m Map
	if err := ask(ctx, to, mon("osd dump"), &m); err != nil {
		return nil, err
	}
	if m.Epoch <= 0 || m.FSID == "" || len(m.OSDs) == 0 {
		return nil, errors.New("ceph: an OSD map without epoch, fsid or OSDs")
	}
	return &m, nil
}

// OSD returns the OSD with this number, or nil.
func (m *Map) OSD(id int) *OSD {
	for i := range m.OSDs {
		if o := &m.OSDs[i]; o.ID != nil && *o.ID == id {
			return o
		}
	}
	return nil
}

// Has reports whether a flag is set.
func (m *Map) Has(flag string) bool {
	for f := range strings.SplitSeq(m.Flags, ",") {
		if f == flag {
			return true
		}
	}
	return false
}

// Restartable refuses a restart under flags by which the OSD would not come
// back or would not be missed. They are somebody else's.
func (m *Map) Restartable() error {
	for _, f := range []string{"noup", "nodown", "pauserd", "pausewr", "pauseread", "pausewrite"} {
		if m.Has(f) {
			return refuse("the flag %s is set: an OSD that is restarted under it is not missed, or does not come back", f)
		}
	}
	return nil
}

// pool returns the pool of a placement group.
func (m *Map) pool(pgid string) (Pool, error) {
	text, _, _ := strings.Cut(pgid, ".")
	id, err := strconv.Atoi(text)
	if err != nil {
		return Pool{}, fmt.Errorf("ceph: %q is not a placement group", pgid)
	}
	for _, p := range m.Pools {
		if p.ID == id {
			return p, nil
		}
	}
	return Pool{}, fmt.Errorf("ceph: the pool of placement group %s is not in the map", pgid)
}

// floor is how many members of a placement group must be left.
func (m *Map) floor(pool Pool, p Policy) (int, error) {
	lowest := cmp.Or(p.Lowest, 2)
	if !pool.Erasure() {
		return max(pool.MinSize, lowest), nil
	}
	k, err := strconv.Atoi(m.Profiles[pool.Profile]["k"])
	switch {
	case err != nil || k < 1:
		return 0, fmt.Errorf("ceph: the k of pool %s (profile %q) is not known", pool.Name, pool.Profile)
	case p.NoSpare:
		return max(pool.MinSize, k), nil
	}
	return max(pool.MinSize, lowest, k+1), nil
}
