package pglog_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/pglog"
)

// stopwatch runs a tool and notes from when to when, and with which arguments.
const stopwatch = `#!/bin/sh
from=$(date +%%s%%N); %s "$@"; status=$?
echo "$from $(date +%%s%%N) $*" >>%s
exit $status`

// A toolRun is one run of the tool.
type toolRun struct {
	span
	args string
}

// timed returns a command that is the tool, and its runs so far.
func timed(t testing.TB, tool string) (command string, runs func() []toolRun) {
	dir := t.TempDir()
	command, notes := filepath.Join(dir, "tool"), filepath.Join(dir, "runs")
	must(t, os.WriteFile(command, []byte(fmt.Sprintf(stopwatch, tool, notes)), 0o700))
	return command, func() (out []toolRun) {
		b, err := os.ReadFile(notes)
		must(t, err)
		for line := range strings.Lines(string(b)) {
			var from, to int64
			_, err := fmt.Sscan(line, &from, &to)
			must(t, err)
			out = append(out, toolRun{span{time.Unix(0, from), time.Unix(0, to)}, strings.TrimSpace(line)})
		}
		return out
	}
}

// within is how long the tool ran, and how often, while a step was carried out.
func within(runs []toolRun, data string, during span) (took time.Duration, starts int) {
	for _, r := range runs {
		if strings.Contains(r.args, "--data-path "+data+" ") && r.meets(during) {
			took, starts = took+r.to.Sub(r.from), starts+1
		}
	}
	return took, starts
}

// BenchmarkTrim is the trim of one OSD's logs. x-tool is how long the step takes
// beside the runs of ceph-objectstore-tool in it: what is more is ours. x-script
// is how long it takes beside the listing and the trims alone, as a script would
// call them on another OSD with the same placement groups, by the tool's
// defaults and without a proof.
func BenchmarkTrim(b *testing.B) {
	c, cfg := cluster(b), config(cluster(b))
	command, runs := timed(b, "ceph-objectstore-tool")
	cfg.Tool.Command = []string{command}
	var ours, tool, script time.Duration
	starts := 0
	for b.Loop() {
		fill(b, c, "few")
		must(b, clean(c))
		r, err := apply(b, cfg, plan(b, cfg, pglog.Policy{MaxEntries: 100, Active: true}, 0))
		must(b, err)
		for _, o := range r.Outcomes {
			if o.Step.Verb == "trim-pg-logs" {
				took, n := within(runs(), c.Data(0), span{o.Started, o.Finished})
				ours, tool, starts = ours+o.Finished.Sub(o.Started), tool+took, starts+n
			}
		}
		must(b, clean(c))
		offline(b, c, 1, func() { script += byHand(b, c.Data(1)) })
		must(b, clean(c))
	}
	b.ReportMetric(ours.Seconds()/tool.Seconds(), "x-tool")
	b.ReportMetric(ours.Seconds()/script.Seconds(), "x-script")
	b.ReportMetric(tool.Seconds()/float64(b.N), "s-tool")
	b.ReportMetric((ours-tool).Seconds()/float64(b.N), "s-outside")
	b.ReportMetric(float64(starts)/float64(b.N), "starts")
}

// byHand trims a store as a script that proves nothing would, and says how long
// that took.
func byHand(b *testing.B, data string) (took time.Duration) {
	tool := func(arg ...string) []byte {
		begun := time.Now()
		out, err := exec.CommandContext(b.Context(), "ceph-objectstore-tool", append([]string{"--no-mon-config", "--data-path", data}, arg...)...).Output()
		if err != nil {
			b.Fatalf("%v: %v", arg, err)
		}
		took += time.Since(begun)
		return out
	}
	for _, pg := range strings.Fields(string(tool("--op", "list-pgs"))) {
		tool("--pgid", pg, "--op", "trim-pg-log", "--osd_max_pg_log_entries=100")
	}
	return took
}

// toolTime is how long the tool ran for each OSD of a run.
func toolTime(r stackmend.Result, runs []toolRun, data func(target string) string) map[string]time.Duration {
	out := map[string]time.Duration{}
	for _, o := range r.Outcomes {
		if o.Step.Verb == "trim-pg-logs" {
			out[o.Step.Target], _ = within(runs, data(o.Step.Target), span{o.Started, o.Finished})
		}
	}
	return out
}
