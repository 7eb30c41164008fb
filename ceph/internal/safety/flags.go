package safety

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stackmend/stackmend/ceph"
)

// FlagsOf are those of noout, noup and nodown that an OSD has beside the whole
// cluster's: of its own, of the CRUSH buckets that it lies in, and of its device
// class, each with whom it is set for: noout@host0 (`ceph osd set-group`,
// `ceph osd add-noout`; OSDMap::is_noout in src/osd/OSDMap.h at v16.2.15). Who
// restarts OSDs sets none of them: they are somebody else's.
func (m *Map) FlagsOf(id int, class string, in []string) (out []string) {
	add := func(flags []string, whom string) {
		for _, name := range []string{"noout", "noup", "nodown"} {
			if slices.Contains(flags, name) {
				out = append(out, name+"@"+whom)
			}
		}
	}
	for _, bucket := range in {
		add(m.Nodes[bucket], bucket)
	}
	add(m.Classes[class], class)
	if o := m.OSD(id); o != nil {
		add(o.State, fmt.Sprintf("osd.%d", id))
	}
	return out
}

// HasFlag reports whether flags as FlagsOf returns them have one of a name.
func HasFlag(flags []string, name string) bool {
	return slices.ContainsFunc(flags, func(f string) bool { return strings.HasPrefix(f, name+"@") })
}

// StaysAway says why an OSD that is stopped under such flags would not be
// missed, or would not come back; "" if it would.
func StaysAway(flags []string) string {
	if HasFlag(flags, "noup") || HasFlag(flags, "nodown") {
		return fmt.Sprintf("flags are set (%s) under which an OSD that is restarted does not come back, or is not missed: ceph osd unset-group", strings.Join(flags, ", "))
	}
	return ""
}

// ComesBack refuses a restart of an OSD that would stay away. Which device class
// it is of is not looked at: one with such a flag refuses. The flags of the
// whole cluster are Restartable's.
func ComesBack(ctx context.Context, to ceph.Commander, m *Map, id int) error {
	var in []string
	if len(m.Nodes) > 0 {
		var err error
		if in, err = buckets(ctx, to, id); err != nil {
			return err
		}
	}
	flags := m.FlagsOf(id, "", in)
	for class := range m.Classes {
		flags = append(flags, m.FlagsOf(-1, class, nil)...)
	}
	if why := StaysAway(flags); why != "" {
		return refuse("osd.%d: %s", id, why)
	}
	return nil
}

// buckets are those that an OSD lies in.
func buckets(ctx context.Context, to ceph.Commander, id int) (names []string, err error) {
	var found struct {
		OSD      *int
		Location map[string]string `json:"crush_location"`
	}
	c := mon("osd find")
	c.Args = []ceph.Arg{{Name: "id", Value: id}}
	if err := ask(ctx, to, c, &found); err != nil {
		return nil, err
	}
	if found.OSD == nil || *found.OSD != id {
		return nil, fmt.Errorf("ceph: osd find does not say where osd.%d lies", id)
	}
	for _, name := range found.Location {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}
