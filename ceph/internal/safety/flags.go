package safety

import (
	"context"
	"fmt"
	"slices"

	"github.com/stackmend/stackmend/ceph"
)

// staying are the flags under which an OSD that is restarted does not come back,
// or is not missed.
var staying = []string{"noup", "nodown"}

func stays(flags []string) string {
	for _, f := range staying {
		if slices.Contains(flags, f) {
			return f
		}
	}
	return ""
}

// ComesBack refuses a restart of an OSD that has such a flag of its own, of a
// CRUSH bucket that it lies in, or of a device class (`ceph osd set-group`;
// OSDMap::is_noup in src/osd/OSDMap.h at v16.2.15). Those of the whole cluster
// are Restartable's.
func ComesBack(ctx context.Context, to ceph.Commander, m *Map, id int) error {
	const why = "the flag %s is set for %s: an OSD that is restarted under it is not missed, or does not come back; ceph osd unset-group %[1]s %[2]s"
	if o := m.OSD(id); o != nil {
		if f := stays(o.State); f != "" {
			return refuse(why, f, fmt.Sprintf("osd.%d", id))
		}
	}
	for class, flags := range m.Classes { // whose it is, the map does not say
		if f := stays(flags); f != "" {
			return refuse(why, f, class)
		}
	}
	for bucket, flags := range m.Nodes {
		f := stays(flags)
		if f == "" {
			continue
		}
		in, err := buckets(ctx, to, id)
		if err != nil {
			return err
		}
		if slices.Contains(in, bucket) {
			return refuse(why, f, bucket)
		}
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
		return nil, refuse("osd find does not say where osd.%d lies", id)
	}
	for _, name := range found.Location {
		names = append(names, name)
	}
	return names, nil
}
