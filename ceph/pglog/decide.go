package pglog

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/internal/safety"
)

// A Policy is what a trim may do. Its zero value trims nothing.
type Policy struct {
	// MaxEntries is how long a log may stay; 0: entries are not trimmed.
	MaxEntries int64
	// MaxDups is how many dups may stay; 0: dups are not trimmed.
	MaxDups int64
	// Active permits trimming placement groups that are active: idle ones, for
	// those that are written to trim themselves.
	Active bool
	// Degraded permits stopping an OSD whose placement groups are degraded or
	// inactive already. Members that are down cannot be asked how far they are:
	// one that missed more than remains will be backfilled.
	Degraded bool
	// Lowest is how many copies must be left while an OSD is stopped; 0: 2. Of
	// an erasure coded pool k + 1 shards must be left if that is more.
	Lowest int
	// NoSpare permits that of a placement group of an erasure coded pool just k
	// shards are left, if min_size permits it: one more failure, and its data
	// cannot be had.
	NoSpare bool
	// Expires is how long the plan holds; 0: an hour.
	Expires time.Duration
}

// The verbs of a plan's steps.
const (
	checkName = "ceph-trim-pglog"

	verbSet    = "set-flag"
	verbUnset  = "unset-flag"
	verbPause  = "pause-orchestrator"
	verbResume = "resume-orchestrator"
	verbHold   = "hold-respawn"
	verbStop   = "stop-osd"
	verbTrim   = "trim-pg-logs"
	verbStart  = "start-osd"
	flagsGroup = "flags"
	flag       = "noout"
)

// Plan plans the trim of the snapshot's OSDs that could be looked at.
func Plan(s *Snapshot, p Policy) *stackmend.Plan {
	plan := &stackmend.Plan{Check: checkName, Subject: "cluster " + s.FSID, Created: s.Taken,
		Expires: s.Taken.Add(cmp.Or(p.Expires, time.Hour)), Exists: stackmend.Cost{Instances: int64(len(s.OSDs))}}
	switch {
	case p.MaxEntries <= 0 && p.MaxDups <= 0:
		plan.Refusals = append(plan.Refusals, "no limit: say how many entries or dups may stay")
	case p.MaxEntries > 0 && p.MaxEntries < 100:
		plan.Refusals = append(plan.Refusals, "fewer than 100 entries: every short absence of an OSD would end in backfill")
	}
	if s.Stopped != "" {
		plan.Refusals = append(plan.Refusals, s.Stopped)
	}
	domains := map[string][]OSD{}
	for _, o := range s.OSDs {
		if why := o.keep(s, p); why != "" {
			plan.Kept = append(plan.Kept, stackmend.Kept{Target: osdName(o.ID), Reason: why})
			continue
		}
		domains[o.Domain] = append(domains[o.Domain], o)
	}
	if len(domains) > 0 && len(plan.Refusals) == 0 {
		plan.Steps = steps(s, p, domains)
	}
	return plan
}

func osdName(id int) string { return "osd." + strconv.Itoa(id) }

// keep says why an OSD is left alone.
func (o OSD) keep(s *Snapshot, p Policy) string {
	switch {
	case o.Local == nil:
		return fmt.Sprintf("it cannot be trimmed from here (%s): %s", o.Host, o.Why)
	case o.Version == "" || o.Version != o.Tool:
		return fmt.Sprintf("it runs version %q, ceph-objectstore-tool here is %q: use the tool of its own version", o.Version, o.Tool)
	case safety.StaysAway(o.Flags) != "":
		return safety.StaysAway(o.Flags)
	case o.Local.Held && o.Local.Respawn != "":
		return "its respawn is held by somebody already: release it first"
	case o.Up && o.Local.AtLimit():
		return fmt.Sprintf("it was started %d times and may be %d times in %v, it would stay down: reset that first (systemctl reset-failed %s)", o.Local.Starts, o.Local.StartLimit.Burst, o.Local.StartLimit.Interval, o.Local.Unit)
	case o.Up && !o.Local.Running:
		return "it is up in the map, and no process of it is seen here"
	case o.Up && len(o.worth(s, p)) == 0:
		return "no placement group of it is to be trimmed: " + o.reasons(s, p)
	case !p.Degraded && o.Up && o.inactive() != "":
		return "placement groups of it are inactive already (" + o.inactive() + "): stopping it needs a policy that permits that (-degraded)"
	}
	return ""
}

// worth are the placement groups of an OSD that are to be trimmed, as far as
// the manager knows: whether they are is decided once the OSD is stopped.
func (o OSD) worth(s *Snapshot, p Policy) []PG {
	var out []PG
	for _, pg := range o.PGs {
		if why := pg.keep(s, p); why == "" {
			out = append(out, pg)
		}
	}
	return out
}

// keep says why a placement group is left alone.
func (pg PG) keep(s *Snapshot, p Policy) string {
	switch why := poolKeeps(s.Pools, pg.ID); {
	case why != "":
		return why
	case !p.Active && pg.code(s) == CodeSlowMember:
		return "it is active and not clean: writes trim its log no further than its slowest member has come, for the cluster lacks the flag pglog_hardlimit; let it recover, or permit it (-active)"
	case !p.Active && pg.code(s) == CodeOnline:
		return "it is active: its log trims with the next writes (osd_max_pg_log_entries, osd_pg_log_trim_max)"
	case p.MaxDups > 0: // how many there are is known to newer releases alone
		return ""
	case pg.Log <= p.MaxEntries:
		return fmt.Sprintf("its log is no longer than %d", p.MaxEntries)
	}
	return ""
}

// reasons counts why placement groups are left alone.
func (o OSD) reasons(s *Snapshot, p Policy) string {
	n := map[string]int{}
	for _, pg := range o.PGs {
		n[pg.keep(s, p)]++
	}
	var out []string
	for _, why := range slices.Sorted(maps.Keys(n)) {
		out = append(out, fmt.Sprintf("%d: %s", n[why], why))
	}
	return strings.Join(out, "; ")
}

// steps puts one OSD first, the canary, and then domain after domain.
func steps(s *Snapshot, p Policy, domains map[string][]OSD) []stackmend.Step {
	var out []stackmend.Step
	noout := s.Noout || covered(domains)
	if !noout {
		out = append(out, stackmend.Step{Verb: verbSet, Target: flag, Group: flagsGroup, Undo: "unset it",
			Assumes: map[string]string{flag: "unset", "fsid": s.FSID}, Reason: "an OSD that is stopped must not be marked out"})
	}
	if s.Unpaused {
		out = append(out, stackmend.Step{Verb: verbPause, Target: orchestrator, Group: flagsGroup, Undo: "resume it",
			Assumes: map[string]string{orchestrator: "at work", "fsid": s.FSID}, Reason: "it starts again what somebody else stops"})
	}
	names := slices.Sorted(maps.Keys(domains))
	first := domains[names[0]][0]
	out = append(out, osdSteps(s, p, first, 1, "the canary: one OSD before all others")...)
	stage := 1
	for _, name := range names {
		if name == names[0] && len(domains[name]) == 1 {
			continue
		}
		stage++
		for _, o := range domains[name] {
			if o.ID != first.ID {
				out = append(out, osdSteps(s, p, o, stage, s.Domain+" "+name)...)
			}
		}
	}
	if s.Unpaused {
		out = append(out, stackmend.Step{Verb: verbResume, Target: orchestrator, Group: flagsGroup, Stage: stage + 1, Undo: "nothing to undo",
			Assumes: map[string]string{"fsid": s.FSID}, Reason: "it was paused by this plan"})
	}
	if !noout {
		out = append(out, stackmend.Step{Verb: verbUnset, Target: flag, Group: flagsGroup, Stage: stage + 1, Undo: "nothing to undo",
			Assumes: map[string]string{"fsid": s.FSID}, Reason: "it was set by this plan"})
	}
	return out
}

// covered reports whether somebody has set noout for each of the OSDs.
func covered(domains map[string][]OSD) bool {
	for _, osds := range domains {
		if slices.ContainsFunc(osds, func(o OSD) bool { return !safety.HasFlag(o.Flags, flag) }) {
			return false
		}
	}
	return true
}

// osdSteps are the group of one OSD. The one that is down is not stopped.
func osdSteps(s *Snapshot, p Policy, o OSD, stage int, reason string) []stackmend.Step {
	assumes := map[string]string{"fsid": s.FSID, "uuid": o.UUID}
	alive := maps.Clone(assumes)
	alive["up_from"] = strconv.Itoa(o.UpFrom)
	name := osdName(o.ID)
	step := func(verb, undo, why string, assumes map[string]string, limit time.Duration) stackmend.Step {
		return stackmend.Step{Verb: verb, Target: name, Group: name, Stage: stage, Undo: undo, Reason: why, Timeout: limit,
			Assumes: assumes, Args: map[string]string{"respawn": o.Local.Respawn, argMachine: o.Machine}}
	}
	permit := func(s stackmend.Step) stackmend.Step {
		s.Args[argDegraded], s.Args[argLowest] = strconv.FormatBool(p.Degraded), strconv.Itoa(cmp.Or(p.Lowest, 2))
		s.Args[argNoSpare] = strconv.FormatBool(p.NoSpare)
		return s
	}
	out := []stackmend.Step{step(verbHold, "release it", reason+"; nothing may start it while its store is worked on", alive, 5*time.Minute)}
	if o.Local.Running {
		out = append(out, permit(step(verbStop, "start it and wait until it is up", p.mayStop(), alive, 15*time.Minute)))
	}
	trim := step(verbTrim, "nothing to undo: the log is valid at every moment", o.forecast(s, p), assumes, time.Hour)
	trim.Args["max_entries"], trim.Args["max_dups"], trim.Args["active"] = num(p.MaxEntries), num(p.MaxDups), strconv.FormatBool(p.Active)
	trim.Args["version"], trim.Args[argInactive] = o.Version, o.inactive()
	trim.Cost = stackmend.Cost{Instances: 1, Rows: o.rows(s, p)}
	start := permit(step(verbStart, "nothing to undo", "it is to be up, with its placement groups settled, before the next", assumes, 30*time.Minute))
	start.Args[argInactive] = o.inactive()
	return append(out, trim, start)
}

// mayStop says on what condition an OSD is stopped.
func (p Policy) mayStop() string {
	spare := " + 1"
	if p.NoSpare {
		spare = ""
	}
	why := fmt.Sprintf("ceph-objectstore-tool needs the store for itself; that ok-to-stop permits it and min_size members, no fewer than %d (erasure coded: k%s), are left is asked just before", cmp.Or(p.Lowest, 2), spare)
	if p.Degraded {
		why += "; what is degraded or inactive already does not stand against it"
	}
	return why
}

// The arguments by which a plan carries its policy to the run: what may be
// stopped, and which placement groups may be inactive afterwards, for they were
// before anything was done.
const (
	argDegraded = "degraded"
	argLowest   = "lowest"
	argNoSpare  = "no-spare"
	argInactive = "inactive"
	anyPG       = "any"
	argMachine  = "machine" // where the OSD is; none: on this host
)

func (o OSD) inactive() string {
	if !o.Up { // nobody knows them
		return anyPG
	}
	var ids []string
	for _, pg := range o.PGs {
		if !slices.Contains(strings.Split(pg.State, "+"), "active") {
			ids = append(ids, pg.ID)
		}
	}
	return strings.Join(ids, " ")
}

func num(n int64) string { return strconv.FormatInt(n, 10) }

func (o OSD) rows(s *Snapshot, p Policy) (n int64) {
	for _, pg := range o.worth(s, p) {
		if p.MaxEntries > 0 {
			n += max(0, pg.Log-p.MaxEntries)
		}
		if p.MaxDups > 0 { // how many there are, older releases do not say: 0
			n += max(0, pg.Dups-p.MaxDups)
		}
	}
	return n
}

// forecast says what the placement groups would lose.
func (o OSD) forecast(s *Snapshot, p Policy) string {
	if !o.Up {
		return "it is down: its placement groups are read from its store; those that writes do not trim and that are longer than the limit are trimmed"
	}
	pgs := o.worth(s, p)
	slices.SortFunc(pgs, func(a, b PG) int { return cmp.Or(cmp.Compare(b.Log, a.Log), strings.Compare(a.ID, b.ID)) })
	var each []string
	for _, pg := range pgs {
		each = append(each, pg.loses(p))
	}
	return fmt.Sprintf("%s: %d of %d placement groups, %d entries: %s", offline(s, pgs), len(pgs), len(o.PGs), o.rows(s, p), strings.Join(each, ", "))
}

// loses says what a placement group would lose. How many dups there are, older
// releases do not say.
func (pg PG) loses(p Policy) string {
	out := pg.ID
	if p.MaxEntries > 0 {
		out += fmt.Sprintf(" %d -> %d", pg.Log, min(pg.Log, p.MaxEntries))
	}
	switch {
	case p.MaxDups > 0 && pg.Dups > 0:
		out += fmt.Sprintf(" dups %d -> %d", pg.Dups, min(pg.Dups, p.MaxDups))
	case p.MaxDups > 0:
		out += fmt.Sprintf(" dups (not counted by the manager) -> at most %d", p.MaxDups)
	}
	return out
}
