package live

import (
	"context"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/openstack"
)

// A world is the cloud, what was made in it, and the proxy before it.
type world struct {
	*openstack.Cloud
	proxy   *proxy
	servers map[string]string // id by name
}

// TestCloud starts one cloud, for it takes a minute, and looks at it in all
// ways. What breaks it comes last.
func TestCloud(t *testing.T) {
	if testing.Short() {
		lab.Without(t, "a cloud, which -short leaves out")
	}
	c := openstack.Start(t)
	w := &world{Cloud: c, proxy: front(t, c), servers: map[string]string{}}
	w.populate(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, *world)
	}{
		{"imagecache", imagecacheWhole}, {"imagecache plan", imagecachePlan}, {"imagecache faults", imagecacheFaults},
		{"mtu", mtuNetworks}, {"bpdu", bpduOwners}, {"dhcp", dhcpPort}, {"bootvolume", bootVolumes}, {"bootvolume conflicts", bootConflicts},
		{"lost cell", lostCell}, {"dead compute", deadCompute},
	} {
		if !t.Run(part.name, func(t *testing.T) { w.proxy.breaks(nil); part.test(t, w) }) && t.Failed() {
			continue
		}
	}
}

// populate boots servers of every kind that the checks tell apart.
func (w *world) populate(t *testing.T) {
	t.Helper()
	unused := w.Upload(t, "unused")
	boots := []openstack.Boot{
		{Name: "on-c01", Host: "c01"}, {Name: "on-c02", Host: "c02", Image: w.Image("base-b"), Network: "flat1500"}, {Name: "on-c03", Host: "c03"},
		{Name: "from-volume", Host: "c01", Volume: true}, {Name: "shelved", Host: "c02"}, {Name: "soft-deleted", Host: "c01"},
		{Name: "of-alice", As: openstack.Alice}, {Name: "gone", Host: "c02", Image: unused},
	}
	for i, id := range w.Boot(t, boots...) {
		w.servers[boots[i].Name] = id
	}
	snapshot := w.Snapshot(t, w.servers["on-c01"], "snapshot")
	w.servers["of-snapshot"] = w.Boot(t, openstack.Boot{Name: "of-snapshot", Host: "c02", Image: snapshot})[0]
	w.DeleteImage(t, snapshot)
	w.Shelve(t, w.servers["shelved"])
	w.SoftDelete(t, w.servers["soft-deleted"])
	w.Delete(t, w.servers["gone"])
	delete(w.servers, "gone")
}

// soon bounds what is asked of the cloud.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
