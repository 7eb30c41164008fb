package ceph

import (
	"slices"
	"sort"
	"time"
)

// A Snapshot is what was seen of a cluster: aggregates, and of what offends
// the worst. It is plain data; functions that get one do not change it.
type Snapshot struct {
	Taken time.Time // when it was begun
	FSID  string
	// Epoch is the OSD map's when the Snapshot was begun, EpochEnd when it
	// was done; 0: not seen. If they differ the parts may not fit together.
	Epoch, EpochEnd int

	// LastUpChange is when an OSD last went up or down; zero before Nautilus.
	LastUpChange time.Time

	Flags []string // of the OSD map, sorted: noout, pglog_hardlimit..
	// NodeFlags are those that a node of the CRUSH tree has for itself, sorted
	// (Octopus and newer): noout of one host.
	NodeFlags map[string][]string
	Require   string // require_osd_release
	Full      Ratios
	Pools     []Pool // sorted by id
	OSDs      []OSD  // sorted by id
	Health    Health
	Recovery  Recovery
	PGs       PGs
	Queries   []PGQuery // of the worst of PGs.Stuck
	Mgr       Mgr
	Versions  []Versions
	Config    []Setting // of the monitors' database
	Crashes   []Crash
	Log       []LogLine // of the cluster log, oldest first
	Balancer  *Balancer // nil: not seen

	Unseen []Unseen // what could not be seen, sorted by source
}

// Unseen is a source that gave nothing.
type Unseen struct {
	Source string // as a recording names it: pg_dump, osd.3.perf_dump
	Reason string
	Denied bool // these keys may not
	Late   bool // no answer in time
}

// Ratios of use at which Ceph warns, stops backfill, stops writes.
type Ratios struct{ Near, Backfill, Full float64 }

// A Pool as the OSD map has it.
type Pool struct {
	ID                      int
	Name                    string
	Size, MinSize           int
	Erasure                 bool
	PGs, PGsTarget          int // pg_num and where it is going
	Placement               int // pg_placement_num
	Autoscale               string
	CrushRule               int
	AllowsECOptimisations   bool
	QuotaBytes, QuotaObject int64
}

// An OSD, from the OSD map and from whatever else was seen of it.
type OSD struct {
	ID             int
	Up, In         bool
	Reweight       float64
	State          []string // exists, up, noout..
	UpFrom, DownAt int      // epochs
	// LastCleanBegin and End: the epochs of the last life that ended orderly.
	LastCleanBegin, LastCleanEnd int
	LostAt                       int
	PID                          int // the nonce of its address; not its pid within a container

	Host, Rack  string // of the CRUSH tree
	Class       string // device class
	CrushWeight float64
	Size, Used  int64   // bytes
	Utilisation float64 // percent
	CommitMS    int64   // latencies; -1: not seen
	ApplyMS     int64
	Version     Version
	MemTotal    int64 // bytes of its host
	Hostname    string
	Rotational  bool
	Model       string // of its disk, with the maker's name; empty: not known

	Load   Load    // from pg dump
	Daemon *Daemon // nil: not asked, or it did not answer at all
}

// Load is what the placement groups lay on an OSD.
type Load struct {
	PGs        int   // in whose acting set it is
	LogEntries int64 // of those PGs
	Dups       int64 // of those PGs, where the release says (Quincy and newer)
	Blocks     int   // PGs that wait for it
}

// Mgr is the active manager.
type Mgr struct {
	Seen      bool
	Available bool
	Name      string
	Standbys  int
}

// Versions is how many daemons of a kind run a version.
type Versions struct {
	Kind    string // mon, mgr, osd..
	Version Version
	Count   int
}

// A Setting of the monitors' configuration database.
type Setting struct{ Section, Mask, Name, Value string }

// A Crash that the crash module has on record.
type Crash struct {
	ID, Entity string
	At         time.Time
}

// Balancer of the manager.
type Balancer struct {
	Active bool
	Mode   string
}

// OSD returns the OSD with this number, or nil. It looks at numbers alone:
// while a Snapshot is made, its sources fill different fields side by side.
func (s *Snapshot) OSD(id int) *OSD {
	i := sort.Search(len(s.OSDs), func(i int) bool { return s.OSDs[i].ID >= id })
	if i == len(s.OSDs) || s.OSDs[i].ID != id {
		return nil
	}
	return &s.OSDs[i]
}

// Has reports whether a flag of the OSD map is set.
func (s *Snapshot) Has(flag string) bool {
	_, ok := slices.BinarySearch(s.Flags, flag)
	return ok
}

// Lowest is the lowest version that an OSD runs; unknown if none was seen.
func (s *Snapshot) Lowest() Version {
	var low Version
	for _, v := range s.Versions {
		if v.Kind == "osd" && (!low.known() || v.Version.Compare(low) < 0) {
			low = v.Version
		}
	}
	return low
}

// unseen returns why a source is missing, or nil.
func (s *Snapshot) unseen(source string) *Unseen {
	i := slices.IndexFunc(s.Unseen, func(u Unseen) bool { return u.Source == source })
	if i < 0 {
		return nil
	}
	return &s.Unseen[i]
}

// up are the OSDs that are up.
func (s *Snapshot) up() []OSD {
	return slices.DeleteFunc(slices.Clone(s.OSDs), func(o OSD) bool { return !o.Up })
}
