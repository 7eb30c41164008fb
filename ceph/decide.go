package ceph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// The codes of the findings. They are never reworded.
const (
	CodeRecoveryBlocked  = "recovery-blocked"        // PGs that cannot recover, and what they wait for
	CodeRecoveryRunning  = "recovery-running"        // recovery moves; how long it will take
	CodeRebalance        = "rebalance-in-recovery"   // data moves for tidiness while copies are missing
	CodeFlags            = "flags-set"               // flags of the OSD map that hold something back
	CodeFlapping         = "osd-flapping"            // OSDs that go down and come back
	CodeMemory           = "osd-memory"              // OSDs above their memory target, or hosts promised twice
	CodeFragmented       = "memory-fragmented"       // memory that no pool accounts for
	CodePGLogLarge       = "pg-log-large"            // logs of placement groups above their limits
	CodePGLogDups        = "pg-log-dups"             // piles of dups (tracker 53729)
	CodeTrimUnavailable  = "online-trim-unavailable" // long logs that will not trim by themselves
	CodeRocksDB          = "rocksdb-corrupt"         // checksum errors in an OSD's log
	CodeSnapTrim         = "snaptrim-backlog"        // snapshots that wait to be trimmed
	CodeSlowOSD          = "slow-osd"                // OSDs much slower than their like
	CodeRecoverySettings = "recovery-settings"       // settings that are not in effect, or implausible
	CodeEmergency        = "emergency-settings-left" // settings left over from an emergency
	CodeHealth           = "ceph-health"             // what Ceph itself complains of
	CodeMgr              = "mgr-unavailable"         // the manager, whose numbers everything rests on
	CodeRetransmissions  = "tcp-retransmissions"     // of this host, and to whom
	CodeHostTuning       = "host-tuning"             // kernel settings of this host
)

// Observed is what Check decides on. Any part may be missing; what rests on a
// missing part of the cluster is Unknown.
type Observed struct {
	Cluster *Snapshot // of the cluster; nil: only the host is judged
	Earlier *Snapshot // of the same cluster, some time before: shows what moves
	Host    *Host     // of the host that this runs on
	OSDLogs []OSDLog  // logs of OSDs
	// ClusterLog is the cluster log of a monitor's host, oldest line first:
	// what the monitors themselves remember reaches back for minutes.
	ClusterLog []LogLine
}

// A judge looks for one kind of finding.
type judge struct {
	code  string
	needs []string // the sources without which finding nothing means nothing
	look  func(Observed, Policy) []stackmend.Finding
}

// daemons in a judge's needs stand for the OSDs' own counters.
const daemons = "osd.*"

func clusterJudges() []judge {
	return []judge{
		{CodeHealth, []string{"health_detail"}, findHealth},
		{CodeMgr, []string{"mgr_dump", "osd_perf", "status"}, findMgr},
		{CodeRecoveryBlocked, []string{"osd_dump", "pg_dump", "status", "osd_df"}, findBlocked},
		{CodeRecoveryRunning, []string{"status"}, findRunning},
		{CodeRebalance, []string{"osd_dump", "status", "balancer_status"}, findRebalance},
		{CodeFlags, []string{"osd_dump"}, findFlags},
		{CodeFlapping, []string{"osd_dump", "log_last", "crash_ls"}, findFlapping},
		{CodeMemory, []string{"osd_metadata", daemons + "dump_mempools", daemons + "config_show", daemons + "perf_dump"}, findMemory},
		{CodeFragmented, []string{daemons + "dump_mempools", daemons + "perf_dump"}, findFragmented},
		{CodePGLogLarge, []string{"pg_dump", "versions"}, findLongLogs},
		{CodePGLogDups, []string{"pg_dump", "versions", daemons + "dump_mempools"}, findDups},
		{CodeTrimUnavailable, []string{"pg_dump", "versions", "osd_dump"}, findTrimUnavailable},
		{CodeSnapTrim, []string{"pg_dump", "osd_dump"}, findSnapTrim},
		{CodeSlowOSD, []string{"osd_perf", "osd_tree"}, findSlow},
		{CodeRecoverySettings, []string{"config_dump", daemons + "config_show", daemons + "status"}, findSettings},
		{CodeEmergency, []string{"config_dump", daemons + "config_show", "status"}, findEmergency},
	}
}

// Check judges what was observed. It is pure. The Result's status is the worst
// of its findings; it is OK only if everything that was needed was seen.
func Check(o Observed, p Policy) stackmend.Result {
	p = p.orDefaults()
	r := stackmend.Result{Check: "ceph-check", Subject: "ceph"}
	if o.Cluster != nil {
		r.Subject, r.Started = cmp.Or(o.Cluster.FSID, "ceph"), o.Cluster.Taken
		for _, j := range clusterJudges() {
			r.Findings = append(r.Findings, j.judge(o, p)...)
		}
	}
	if len(o.OSDLogs) > 0 {
		r.Findings = append(r.Findings, findRocksDB(o, p)...)
	}
	if o.Host != nil {
		if o.Cluster == nil {
			r.Subject, r.Started = o.Host.Name, o.Host.Taken
		}
		r.Findings = append(r.Findings, findHost(o, p)...)
	}
	r.Status = verdict(o, r.Findings)
	return r
}

// verdict is the worst of the findings; of none OK, if anything was looked at.
func verdict(o Observed, findings []stackmend.Finding) stackmend.Status {
	if o.Cluster == nil && o.Host == nil && len(o.OSDLogs) == 0 {
		return stackmend.Unknown
	}
	worst := stackmend.OK
	for _, f := range findings {
		worst = stackmend.Worst(worst, f.Status)
	}
	return worst
}

// judge looks, and adds that it could not tell if a source was missing.
func (j judge) judge(o Observed, p Policy) []stackmend.Finding {
	found := j.look(o, p)
	for i := range found {
		found[i].Code = cmp.Or(found[i].Code, j.code)
	}
	if f, blind := j.blind(o.Cluster); blind {
		found = append(found, f)
	}
	return found
}

// blind is the finding that this judge could not see.
func (j judge) blind(s *Snapshot) (stackmend.Finding, bool) {
	f := stackmend.Finding{Code: j.code, Status: stackmend.Unknown, Subject: "cluster"}
	var names []string
	for _, need := range j.needs {
		evidence, name := missing(s, need)
		if name != "" {
			names, f.Evidence = append(names, name), append(f.Evidence, evidence...)
		}
	}
	if len(names) == 0 {
		return f, false
	}
	f.Message = "cannot tell, for these were not seen: " + strings.Join(names, ", ")
	f.Fix = "see why in the evidence; where permission is missing, give the user the capabilities that the package's documentation names"
	return f, true
}

// missing says what is not there of a source that is needed.
func missing(s *Snapshot, need string) ([]stackmend.Evidence, string) {
	kind, of := strings.CutPrefix(need, daemons)
	if !of {
		if u := s.unseen(need); u != nil {
			return []stackmend.Evidence{seen(need, "%s", u.Reason)}, need
		}
		return nil, ""
	}
	var ids []int
	var first *Unseen
	for _, o := range s.OSDs {
		u := s.unseen(osdName(o.ID) + "." + kind)
		if o.Up && (u != nil || o.Daemon == nil) {
			ids = append(ids, o.ID)
			first = cmp.Or(first, u)
		}
	}
	if len(ids) == 0 {
		return nil, ""
	}
	why := "the OSDs themselves were not asked"
	if first != nil {
		why = first.Reason
	}
	name := fmt.Sprintf("%s of %d OSDs", kind, len(ids))
	return []stackmend.Evidence{seen(name, "%s: %s", osdNames(ids), why)}, name
}

// finding begins a finding; the judge's code is added to it.
func finding(status stackmend.Status, subject, format string, args ...any) stackmend.Finding {
	return stackmend.Finding{Status: status, Subject: subject, Message: fmt.Sprintf(format, args...)}
}

// pools that some of a list name, sorted; for messages.
func names(pools []Pool) string {
	var out []string
	for _, p := range pools {
		out = append(out, p.Name)
	}
	slices.Sort(out)
	return some(out, shown)
}
