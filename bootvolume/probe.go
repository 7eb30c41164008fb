package bootvolume

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// The verbs of a probe. Its steps are one group: what ends in the middle takes
// the table away again.
const (
	VerbCreateTable = "create-probe-table"
	VerbMeasure     = "measure-lateness"
	VerbDropTable   = "drop-probe-table"
)

// ErrProbe: a probe that cannot be planned as asked.
var ErrProbe = errors.New("bootvolume: no such probe")

// A Probe measures how long a row takes from one node of Galera to the others.
type Probe struct {
	Nodes    []string // names of the nodes; each writes, and all others read
	Database string   // where the table is made; it must exist
	Rounds   int      // rows for each pair of nodes; 0: 100
	Wait     bool     // read with wsrep_sync_wait=1, to see what that changes
}

// Lateness is how rows of one node were seen on another.
type Lateness struct {
	Writer, Reader  string
	Rows, Missed    int // Missed: not there at the first look
	Median, Longest time.Duration
	Waited          bool // the reads waited for what was on its way (wsrep_sync_wait)
}

const mostRounds = 10000

// PlanProbe plans a probe. It makes a table of its own, writes
// Rounds rows of a few bytes for each pair of nodes, and drops it.
func PlanProbe(p Probe, now time.Time, valid time.Duration) (*stackmend.Plan, error) {
	if p.Rounds == 0 {
		p.Rounds = 100
	}
	if err := p.validate(); err != nil {
		return nil, err
	}
	table := fmt.Sprintf("`%s`.`stackmend_probe_%s`", p.Database, strconv.FormatInt(now.UnixMicro(), 36))
	args := map[string]string{"nodes": strings.Join(p.Nodes, ","), "rounds": strconv.Itoa(p.Rounds), "wait": strconv.FormatBool(p.Wait)}
	step := func(verb, reason, undo, before string) stackmend.Step {
		return stackmend.Step{Verb: verb, Target: table, Args: args, Reason: reason, Undo: undo, Group: "probe",
			Assumes: map[string]string{"table": before}, Timeout: time.Minute}
	}
	measure := step(VerbMeasure, fmt.Sprintf("write %d rows for each pair of nodes on the one, and look for each on the other at once", p.Rounds), "delete the rows", "ours")
	measure.Cost.Rows = int64(p.Rounds * len(p.Nodes) * (len(p.Nodes) - 1))
	return &stackmend.Plan{
		Check: "bootvolume", Subject: "read after write on " + strings.Join(p.Nodes, ", "), Created: now, Expires: now.Add(valid),
		Steps: []stackmend.Step{
			step(VerbCreateTable, "the probe writes nowhere else", "drop the table", "absent"),
			measure,
			step(VerbDropTable, "nothing is left behind", "none is needed: the table was the probe's own", "ours"),
		},
	}, nil
}

func (p Probe) validate() error {
	switch {
	case len(p.Nodes) < 2:
		return fmt.Errorf("%w: it takes two nodes, and %d are named", ErrProbe, len(p.Nodes))
	case !isName(p.Database):
		return fmt.Errorf("%w: database %q: letters, digits and _ alone", ErrProbe, p.Database)
	case p.Rounds < 1 || p.Rounds > mostRounds:
		return fmt.Errorf("%w: %d rounds: 1 to %d", ErrProbe, p.Rounds, mostRounds)
	}
	for i, n := range p.Nodes {
		if n == "" || len(n) > 100 || strings.ContainsAny(n, ",>\t\n") || slices.Contains(p.Nodes[:i], n) {
			return fmt.Errorf("%w: node %q", ErrProbe, n)
		}
	}
	return nil
}

func isName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// probed judges what a probe has measured.
func (s *Snapshot) probed() []stackmend.Finding {
	var all []stackmend.Finding
	quiet, waited := 0, true
	for _, l := range s.Rows {
		if l.Missed == 0 {
			quiet += l.Rows
			waited = waited && l.Waited
			continue
		}
		f := warn(CodeReadAfterWrite, "from "+l.Writer+" to "+l.Reader,
			fmt.Sprintf("%d of %d rows were not there when they were read at once; they came after %v at most, %v in the median", l.Missed, l.Rows, l.Longest, l.Median),
			"one writer, or mysql_wsrep_sync_wait = 1 in oslo.db's section; every read then waits about that long")
		f.Confidence = stackmend.High
		all = append(all, f)
	}
	if len(all) > 0 || quiet == 0 {
		return all
	}
	f := stackmend.Finding{Code: CodeProbeQuiet, Status: stackmend.Unknown, Subject: "galera",
		Message: fmt.Sprintf("all %d rows were there at the first look: that proves nothing, for lateness comes with load", quiet),
		Fix:     "probe while a batch boots; go by the number of writers and by wsrep_sync_wait"}
	if waited {
		f.Status, f.Message = stackmend.OK, fmt.Sprintf("all %d rows were there at the first look, for the reads waited (wsrep_sync_wait)", quiet)
	}
	return []stackmend.Finding{f}
}
