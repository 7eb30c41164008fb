package pglog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/safety"
	"github.com/stackmend/stackmend/ceph/supervisor"
)

// A Snapshot is what was seen of a cluster and of its OSDs.
type Snapshot struct {
	Taken time.Time
	FSID  string
	Noout bool // of the whole cluster
	// HardLimit is the flag pglog_hardlimit: members that lag behind do not
	// keep a log from being trimmed while it is written to. Trimming offline
	// does not know it.
	HardLimit bool
	Pools     []safety.Pool
	OSDs      []OSD // sorted by number
	Domain    string
	// Unpaused: there is an orchestrator, and it is not paused.
	Unpaused bool
	Stopped  string // why nothing may be stopped just now; empty: nothing is known against it
}

// An OSD and what is known of it.
type OSD struct {
	ID     int
	UUID   string
	Up     bool
	UpFrom int
	Host   string // the CRUSH host
	// Machine is the host on which its daemon runs or ran last, by the name
	// that it calls itself by (uname -n).
	Machine string
	Domain  string // the bucket of the failure domain that it lies in
	// Flags are noout, noup and nodown where they are not set for the whole
	// cluster: noout@host0.
	Flags []string
	PGs   []PG // as the manager knows them; of an OSD that is down only the tool knows

	Local   *supervisor.State // nil: not seen
	Why     string            // why not
	Version string            // of the daemon
	Tool    string            // of ceph-objectstore-tool beside it
}

// A PG as the manager knows it.
type PG struct {
	ID, State string
	Log, Dups int64
}

// Options are how to observe.
type Options struct {
	OSDs []int // which; empty: an error, unless All
	Host string
	All  bool
}

func ask(ctx context.Context, to ceph.Commander, prefix string, v any, args ...ceph.Arg) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	body, err := ceph.Ask(ctx, to, ceph.Command{To: ceph.Target{Kind: ceph.KindMon}, Prefix: prefix, Args: args})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("pglog: %s: %w", prefix, err)
	}
	return nil
}

// Observe looks at the OSDs that o selects.
func Observe(ctx context.Context, c Config, o Options) (*Snapshot, error) {
	m, err := safety.Dump(ctx, c.Cluster)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{Taken: time.Now(), FSID: m.FSID, Noout: m.Has(flag), HardLimit: m.Has("pglog_hardlimit"), Pools: m.Pools}
	paused := error(nil)
	if c.Orchestrated {
		if paused = safety.Paused(ctx, c.Cluster); errors.Is(paused, stackmend.ErrRefused) {
			s.Unpaused, paused = true, nil
		}
	}
	if err := errors.Join(m.Restartable(), safety.Trust(ctx, c.Cluster), paused); err != nil {
		s.Stopped = err.Error()
	}
	where, err := places(ctx, c.Cluster, m, s)
	if err != nil {
		return nil, err
	}
	for i := range m.OSDs {
		id := m.OSDs[i].ID
		if id == nil || !o.All && !slices.Contains(o.OSDs, *id) && (o.Host == "" || where[*id].host != o.Host) {
			continue
		}
		s.OSDs = append(s.OSDs, OSD{ID: *id, UUID: m.OSDs[i].UUID, Up: m.OSDs[i].Up == 1, UpFrom: m.OSDs[i].UpFrom,
			Host: where[*id].host, Domain: where[*id].domain, Flags: m.FlagsOf(*id, where[*id].class, where[*id].in)})
	}
	if err := o.met(s, where); err != nil {
		return nil, err
	}
	slices.SortFunc(s.OSDs, func(a, b OSD) int { return cmp.Compare(a.ID, b.ID) })
	for i := range s.OSDs {
		if err := c.look(ctx, s.FSID, &s.OSDs[i]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// met returns an error unless the snapshot has all that was asked for. It tells
// what there is: a number may be mistyped, and a CRUSH host is not always called
// as its machine.
func (o Options) met(s *Snapshot, where map[int]place) error {
	var missing []int
	for _, id := range slices.Compact(slices.Sorted(slices.Values(o.OSDs))) { // perhaps twice
		if !slices.ContainsFunc(s.OSDs, func(osd OSD) bool { return osd.ID == id }) {
			missing = append(missing, id)
		}
	}
	hosts := map[string]bool{}
	for _, p := range where {
		hosts[p.host] = true
	}
	switch {
	case len(missing) > 0:
		return fmt.Errorf("pglog: OSDs %v are not in the map, which has %v", missing, slices.Sorted(maps.Keys(where)))
	case len(s.OSDs) > 0:
		return nil
	case o.Host != "":
		return fmt.Errorf("pglog: CRUSH host %q has no OSDs; there are %q", o.Host, slices.Sorted(maps.Keys(hosts)))
	}
	return errors.New("pglog: no OSDs are selected")
}

// look fills in what only its host and the manager know.
func (c Config) look(ctx context.Context, fsid string, o *OSD) error {
	var meta struct {
		Version string `json:"ceph_version"`
		Machine string `json:"hostname"`
	}
	if err := ask(ctx, c.Cluster, "osd metadata", &meta, ceph.Arg{Name: "id", Value: strconv.Itoa(o.ID)}); err != nil {
		return err
	}
	if v, err := ceph.ParseVersion(meta.Version); err == nil {
		o.Version = v.String()
	}
	o.Machine = meta.Machine
	if o.Up {
		pgs, err := safety.PGs(ctx, c.Cluster, o.ID)
		if err != nil {
			return err
		}
		for _, p := range pgs {
			o.PGs = append(o.PGs, PG{p.ID, p.State, p.LogSize, p.Dups})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if o.Machine == "" {
		o.Why = "osd metadata does not say on which host it is"
		return nil
	}
	ctx, err := c.on(ctx, o.Machine)
	if err != nil {
		o.Why = err.Error()
		return nil
	}
	if err := c.Tool.owner(ctx, o.ID, fsid); err != nil {
		o.Why = "its store is not on host " + o.Machine + ": " + err.Error()
		return nil
	}
	st, err := c.Supervisor.State(ctx, o.ID)
	if err != nil {
		o.Why = err.Error()
		return nil
	}
	v, err := c.Tool.version(ctx, o.ID)
	if err != nil {
		o.Why = "ceph-objectstore-tool: " + err.Error()
		return nil
	}
	o.Local, o.Tool = &st, v.String()
	return nil
}

type place struct {
	host, domain, class string
	in                  []string // all buckets around it
}

type node struct {
	ID       int
	Name     string
	Type     string
	Class    string `json:"device_class"`
	TypeID   int    `json:"type_id"`
	Children []int
}

// places finds the failure domain of the pools' CRUSH rules: the finest bucket
// type that any of them chooses by, for in a coarser one a pool may have two
// copies. It says in which of those each OSD lies.
func places(ctx context.Context, to ceph.Commander, m *safety.Map, s *Snapshot) (map[int]place, error) {
	var tree struct{ Nodes []node }
	var rules []rule
	if err := errors.Join(ask(ctx, to, "osd tree", &tree), ask(ctx, to, "osd crush rule dump", &rules)); err != nil {
		return nil, err
	}
	var err error
	if s.Domain, err = domainOf(m.Pools, rules, tree.Nodes); err != nil {
		return nil, err
	}
	return placesIn(tree.Nodes, s.Domain), nil
}
