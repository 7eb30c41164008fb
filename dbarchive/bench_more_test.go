package dbarchive

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"text/tabwriter"
	"time"

	stacklab "github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

// BenchmarkDestinations archives the population of BenchmarkArchive to each
// destination, and prints how much memory the archiver had at most.
func BenchmarkDestinations(b *testing.B) {
	stacklab.Need(b, mariadb.Programs()...)
	dir := b.TempDir()
	template := newTemplate(b, dir)
	there, err := mariadb.Start(filepath.Join(dir, "a"), "127.0.0.1", 0, durable...)
	must(b, err)
	defer there.Stop()
	tab := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "\ndestination\ttook\tlongest live INSERT\tmemory")
	for b.Loop() {
		for _, to := range []Destination{{}, {Schema: "archive"}, {Dir: filepath.Join(dir, "files")}, {Server: true}} {
			must(b, there.Exec("DROP DATABASE IF EXISTS archive; CREATE DATABASE archive"))
			must(b, os.RemoveAll(filepath.Join(dir, "files")))
			s := contender{to.String(), func(w *world, _ string) []*exec.Cmd {
				cmds := ours(w, 2)
				cmds[0].Env = append(cmds[0].Env, childTo+"="+to.String(), childArchive+"="+there.DSN("archive"))
				return cmds
			}}.measure(b, dir, template)
			kind := to.String()
			if to.Dir != "" {
				kind = "file"
			}
			fmt.Fprintf(tab, "%s\t%v\t%v\t%.0f MB\n", kind, s.took.Round(time.Second), s.stall.Round(time.Millisecond), s.mb)
		}
	}
	tab.Flush()
}

// BenchmarkDryRun lets the same client insert and update live rows alone, and
// then while plans are made, one after the other.
func BenchmarkDryRun(b *testing.B) {
	stacklab.Need(b, mariadb.Programs()...)
	dir := b.TempDir()
	w := fromTemplate(b, filepath.Join(dir, "r"), newTemplate(b, dir))
	defer w.Stop()
	const waits = "SELECT SUM(count) FROM information_schema.innodb_metrics WHERE name IN ('lock_row_lock_waits','lock_timeouts')"
	tab := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "\nbeside a live client\tlongest live INSERT\twaits for row locks")
	for b.Loop() {
		for _, c := range []struct {
			name string
			work func(context.Context)
		}{
			{"nothing", func(ctx context.Context) { <-ctx.Done() }},
			{"dry runs", func(ctx context.Context) {
				for ctx.Err() == nil {
					Observe(ctx, w.dbs, Selection{Before: cutoff})
				}
			}},
		} {
			before := w.count(b, waits)
			ctx, stop := context.WithTimeout(b.Context(), 15*time.Second)
			stalls := make(chan time.Duration)
			go func() { stalls <- w.live(ctx) }()
			c.work(ctx)
			stop()
			fmt.Fprintf(tab, "%s\t%v\t%d\n", c.name, (<-stalls).Round(time.Millisecond), w.count(b, waits)-before)
		}
	}
	tab.Flush()
}
