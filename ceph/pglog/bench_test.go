package pglog_test

import (
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/ceph/pglog"
)

// BenchmarkTrim is the trim of one OSD's logs beside the same calls of
// ceph-objectstore-tool by hand on another OSD with the same placement groups.
// x-calls is how much longer it takes than those calls; x-trims, than the
// listing and the trims alone, without a log that is read before and after:
// the difference is what the proof costs.
func BenchmarkTrim(b *testing.B) {
	c, cfg := cluster(b), config(cluster(b))
	policy := pglog.Policy{MaxEntries: 100, Active: true}
	var ours, calls, trims time.Duration
	for b.Loop() {
		fill(b, c)
		must(b, clean(c))
		p := plan(b, cfg, policy, 0)
		r, err := apply(b, cfg, p)
		must(b, err)
		for _, o := range r.Outcomes {
			if o.Step.Verb == "trim-pg-logs" {
				ours += o.Finished.Sub(o.Started)
			}
		}
		must(b, clean(c))
		offline(b, c, 1, func() {
			all, some := byHand(b, c.Data(1))
			calls, trims = calls+all, trims+some
		})
		must(b, clean(c))
	}
	b.ReportMetric(ours.Seconds()/calls.Seconds(), "x-calls")
	b.ReportMetric(ours.Seconds()/trims.Seconds(), "x-trims")
	b.ReportMetric(ours.Seconds()/float64(b.N), "s/OSD")
}

// byHand trims a store and says how long all calls took, and how long those
// took that a script without proof would make.
func byHand(b *testing.B, data string) (all, some time.Duration) {
	tool := func(needed bool, out io.Writer, arg ...string) {
		cmd := exec.CommandContext(b.Context(), "ceph-objectstore-tool", append([]string{"--no-mon-config", "--data-path", data}, arg...)...)
		cmd.Stdout = out
		begun := time.Now()
		if err := cmd.Run(); err != nil {
			b.Fatalf("%v: %v", arg, err)
		}
		took := time.Since(begun)
		if all += took; needed {
			some += took
		}
	}
	var pgs strings.Builder
	tool(false, io.Discard, "--version", "--op", "list-pgs")
	tool(true, &pgs, "--op", "list-pgs")
	for _, pg := range strings.Fields(pgs.String()) {
		var log strings.Builder
		tool(false, &log, "--pgid", pg, "--op", "log")
		l, err := pglog.ReadLog(strings.NewReader(log.String()))
		must(b, err)
		if _, _, long := l.Trimmed(100); !long {
			continue
		}
		tool(false, io.Discard, "--pgid", pg, "--op", "info")
		tool(true, io.Discard, "--pgid", pg, "--op", "trim-pg-log", "--osd_max_pg_log_entries=100")
		tool(false, io.Discard, "--pgid", pg, "--op", "log")
	}
	return all, some
}
