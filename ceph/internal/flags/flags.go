// Package flags sets and unsets flags of the OSD map, for the whole cluster or
// for a host of the CRUSH tree, and proves it by reading the map again. It
// unsets nothing by itself: whoever set a flag remembers that it did, for a
// flag that stood before belongs to an operator.
package flags

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// settable are the flags that hold something back and can be put back
// (`osd set` in src/mon/MonCommands.h at v16.2.15).
var settable = []string{"nobackfill", "nodeep-scrub", "nodown", "noin", "noout", "norebalance", "norecover", "noscrub", "nosnaptrim", "noup"}

// grouped are those that a host can have for itself (Octopus and newer).
var grouped = []string{"nodown", "noin", "noout", "noup"}

// A Flag of the OSD map.
type Flag struct {
	Name string // noout
	Host string // a node of the CRUSH tree; empty: the whole cluster
}

// String is the flag as NAME or NAME@HOST.
func (f Flag) String() string {
	if f.Host == "" {
		return f.Name
	}
	return f.Name + "@" + f.Host
}

// Parse reads NAME or NAME@HOST. The error is stackmend.ErrRefused for a flag
// that is not known, or that a host cannot have.
func Parse(text string) (Flag, error) {
	name, host, at := strings.Cut(text, "@")
	switch {
	case !slices.Contains(settable, name):
		return Flag{}, fmt.Errorf("%w: %q is not one of %s", stackmend.ErrRefused, name, strings.Join(settable, ", "))
	case at && host == "":
		return Flag{}, fmt.Errorf("%w: %q names no host", stackmend.ErrRefused, text)
	case at && !slices.Contains(grouped, name):
		return Flag{}, fmt.Errorf("%w: %s is for the whole cluster; a host can have %s", stackmend.ErrRefused, name, strings.Join(grouped, ", "))
	}
	return Flag{name, host}, nil
}

// A Map is what the OSD map says that matters here.
type Map struct {
	FSID  string
	Epoch int
	Flags []string          // of the whole cluster, sorted
	OSDs  []OSD             // sorted by number
	Modes map[string]string // pg_autoscale_mode, by pool
	hosts map[string][]string
}

// An OSD of the map.
type OSD struct {
	ID     int     `json:"osd"`
	Up, In int     // 1: yes
	Weight float64 // its reweight, 0 to 1
}

// Up are the OSDs that are up.
func (m Map) Up() []int {
	var ids []int
	for _, o := range m.OSDs {
		if o.Up == 1 {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// Has reports whether a flag is set.
func (m Map) Has(f Flag) bool {
	if f.Host == "" {
		return slices.Contains(m.Flags, f.Name)
	}
	return slices.Contains(m.hosts[f.Host], f.Name)
}

// Read reads the OSD map.
func Read(ctx context.Context, c ceph.Commander) (Map, error) {
	b, err := ceph.Ask(ctx, c, ceph.Command{To: ceph.Target{Kind: ceph.KindMon}, Prefix: "osd dump"})
	if err != nil {
		return Map{}, err
	}
	return parse(b)
}

// parse reads the JSON form of `osd dump`. What is no map is an error: a map
// without an epoch would look like one without flags.
func parse(b []byte) (Map, error) {
	var d struct {
		FSID  string
		Epoch int
		Flags *string
		OSDs  []OSD
		Pools []struct {
			Name string `json:"pool_name"`
			Mode string `json:"pg_autoscale_mode"`
		}
		Nodes map[string][]string `json:"crush_node_flags"`
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return Map{}, fmt.Errorf("osd dump: %w", err)
	}
	if d.FSID == "" || d.Epoch <= 0 || d.Flags == nil {
		return Map{}, fmt.Errorf("osd dump: no fsid, epoch or flags in it")
	}
	m := Map{FSID: d.FSID, Epoch: d.Epoch, Flags: strings.Split(*d.Flags, ","), OSDs: d.OSDs, Modes: map[string]string{}, hosts: d.Nodes}
	slices.Sort(m.Flags)
	slices.SortFunc(m.OSDs, func(a, b OSD) int { return a.ID - b.ID })
	for _, p := range d.Pools {
		m.Modes[p.Name] = p.Mode
	}
	return m, nil
}

// Put sets a flag, or unsets it, and reads the map again. The error is
// stackmend.ErrNotDone if the monitors took the command and the map does not
// show it.
//
// Similar To: ceph osd set noout, ceph osd set-group noout host0
func Put(ctx context.Context, c ceph.Commander, f Flag, set bool) error {
	if _, err := Parse(f.String()); err != nil {
		return err
	}
	if _, err := ceph.Ask(ctx, c, f.command(set)); err != nil {
		return err
	}
	m, err := Read(ctx, c)
	if err != nil {
		return err
	}
	if m.Has(f) != set {
		return fmt.Errorf("%w: flag %s: wanted %t, the map of epoch %d says %t", stackmend.ErrNotDone, f, set, m.Epoch, !set)
	}
	return nil
}

func (f Flag) command(set bool) ceph.Command {
	verb := map[bool]string{true: "osd set", false: "osd unset"}[set]
	c := ceph.Command{To: ceph.Target{Kind: ceph.KindMon}, Prefix: verb, Text: true, Args: []ceph.Arg{{Name: "key", Value: f.Name}}}
	if f.Host != "" {
		c.Prefix += "-group"
		c.Args = []ceph.Arg{{Name: "flags", Value: f.Name}, {Name: "who", Value: []string{f.Host}}}
	}
	return c
}
