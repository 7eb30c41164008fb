package pressure

import (
	"maps"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/flags"
)

// FlagSets are the flags that belong to an operation. The first of
// "host-maintenance" is for a host: host-maintenance@HOST.
func FlagSets() map[string][]string {
	return map[string][]string{
		// OSDs of one host are about to be stopped: their data is not to move.
		"host-maintenance": {"noout"},
		// Recovery that runs for days: everything that can wait waits.
		"storm": {"nodeep-scrub", "noscrub", "nosnaptrim", "norebalance"},
		// Many OSDs are stopped one after the other, and looked at offline.
		"offline-trim": {"nodeep-scrub", "noout", "norebalance", "noscrub", "nosnaptrim"},
		// Snapshots are not trimmed for a while. Never by a concurrency of 0,
		// which clears the queue (tracker 54396).
		"pause-snaptrim": {"nosnaptrim"},
	}
}

// PlanFlags plans to set flags as one group: each name is one of FlagSets or a
// flag, as NAME, or as NAME@HOST where a host can have it for itself. A flag
// that is set already belongs to somebody else: it is kept, and no restore of
// this plan unsets it. An empty selection is refused.
func PlanFlags(names []string, s *ceph.Snapshot, p Policy) *stackmend.Plan {
	plan := p.newPlan("flags", s)
	if len(names) == 0 {
		refuse(plan, "no flag was named")
	}
	for _, n := range expand(names) {
		f, err := flags.Parse(n)
		switch {
		case err != nil:
			refuse(plan, "%v", err)
		case f.Host != "" && !hasHost(s, f.Host):
			refuse(plan, "%s: no OSD is in a host %q of the CRUSH tree", n, f.Host)
		case flagSet(s, f):
			keep(plan, n, "is set already, by somebody else")
		default:
			step := set(s, VerbFlag, n, "false", "true", "asked for")
			step.Group, step.Undo = "flags", "unset it"
			plan.Steps = append(plan.Steps, step)
		}
	}
	return plan
}

// expand puts the flags of a set in the place of its name, each once, sorted.
func expand(names []string) []string {
	sets, out := FlagSets(), map[string]bool{}
	for _, n := range names {
		name, host, at := strings.Cut(n, "@")
		list, ok := sets[name]
		if !ok {
			list = []string{name}
		}
		for _, f := range list {
			if at {
				f += "@" + host
			}
			out[f] = true
		}
	}
	return slices.Sorted(maps.Keys(out))
}

func hasHost(s *ceph.Snapshot, host string) bool {
	return slices.ContainsFunc(s.OSDs, func(o ceph.OSD) bool { return o.Host == host })
}

func flagSet(s *ceph.Snapshot, f flags.Flag) bool {
	if f.Host == "" {
		return s.Has(f.Name)
	}
	return slices.Contains(s.NodeFlags[f.Host], f.Name)
}
