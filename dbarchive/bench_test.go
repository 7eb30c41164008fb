package dbarchive

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	stacklab "github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

// durable is how a server of a real cloud commits. Its redo log holds what each
// contender writes: where it runs full, a server stops all writers until it has
// written pages, and what is measured is how much redo fits.
var durable = []string{"innodb_flush_method=O_DIRECT", "innodb_flush_log_at_trx_commit=1", "sync_binlog=1", "innodb_buffer_pool_size=1G", "innodb_log_file_size=1G"}

// A contender archives everything of cell1 that was deleted before the cut-off.
type contender struct {
	name string
	run  func(w *world, dir string) []*exec.Cmd
}

var contenders = []contender{
	{"nova-manage, max_rows 1000", novaManage},
	{"pt-archiver, bulk, limit 1000", ptArchiver},
	{"dbarchive, one connection", func(w *world, dir string) []*exec.Cmd { return ours(w, 1) }},
	{"dbarchive, two connections", func(w *world, dir string) []*exec.Cmd { return ours(w, 2) }},
	{"dbarchive, four connections", func(w *world, dir string) []*exec.Cmd { return ours(w, 4) }},
	{"nothing proved, two connections", func(w *world, dir string) []*exec.Cmd { return plain(w, 2) }},
	{"nothing proved, four connections", func(w *world, dir string) []*exec.Cmd { return plain(w, 4) }},
}

func novaManage(w *world, dir string) []*exec.Cmd {
	conf := filepath.Join(dir, "nova.conf")
	os.WriteFile(conf, []byte(fmt.Sprintf("[DEFAULT]\nlog_dir=%s\nstate_path=%s\ntransport_url=fake://\n[database]\nconnection=%s\n[api_database]\nconnection=%s\n",
		dir, dir, w.URL(mariadb.Cell1), w.URL(mariadb.API))), 0o600)
	return []*exec.Cmd{exec.Command("nova-manage", "--config-file", conf, "db", "archive_deleted_rows", "--before", "2025-11-22", "--until-complete", "--max_rows", "1000")}
}

// ptArchiver moves table by table, children first. It knows nothing of API
// rows and of trees that must stay whole.
func ptArchiver(w *world, _ string) []*exec.Cmd {
	gone := "i.deleted<>0 and i.deleted_at<'2025-11-22'"
	in := "(select i.uuid from instances i where " + gone + ")"
	source := fmt.Sprintf("h=127.0.0.1,P=%d,u=nova,p=nova,D=nova", w.Port)
	one := func(table, where string) *exec.Cmd {
		return exec.Command("pt-archiver", "--source", source+",t="+table, "--dest", source+",t=shadow_"+table, "--where", where,
			"--limit", "1000", "--commit-each", "--bulk-insert", "--bulk-delete", "--no-check-charset")
	}
	cs := []*exec.Cmd{one("instance_actions_events", "action_id in (select a.id from instance_actions a join instances i on i.uuid=a.instance_uuid where "+gone+")")}
	for _, t := range strings.Fields("instance_actions block_device_mapping instance_extra instance_faults instance_info_caches instance_metadata instance_system_metadata migrations virtual_interfaces") {
		cs = append(cs, one(t, "instance_uuid in "+in))
	}
	return append(cs, one("instance_id_mappings", "uuid in "+in), one("instances", "deleted<>0 and deleted_at<'2025-11-22'"))
}

// ours is a process of its own, that plans, moves, proves and clears API rows.
func ours(w *world, parallel int) []*exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	c := exec.Command(self, "-test.run=^$")
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%s:%d", childAddr, w.Addr, w.Port), fmt.Sprintf("%s=%d", childFull, parallel))
	return []*exec.Cmd{c}
}

// A score is what one run cost.
type score struct {
	rows  float64 // moved per second, from the start of the program to its end
	stall time.Duration
	mb    float64 // the largest of its processes
	took  time.Duration
}

// BenchmarkArchive lets the contenders archive the same 25,000 deleted
// instances of 30,000, in turns, while a client goes on inserting and updating
// live rows. It prints the medians; run it with -benchtime 3x.
func BenchmarkArchive(b *testing.B) {
	stacklab.Need(b, append(mariadb.Programs(), "pt-archiver")...)
	dir := b.TempDir()
	template := newTemplate(b, dir)
	scores := map[string][]score{}
	for b.Loop() {
		for _, c := range contenders {
			scores[c.name] = append(scores[c.name], c.measure(b, dir, template))
		}
	}
	tab := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "\narchiver\trows/s\tlongest live INSERT\tmemory")
	for _, c := range contenders {
		m := median(scores[c.name])
		fmt.Fprintf(tab, "%s\t%.0f\t%v\t%.0f MB\n", c.name, m.rows, m.stall.Round(time.Millisecond), m.mb)
		b.ReportMetric(m.rows, strings.NewReplacer(" ", "-", ",", "").Replace(c.name)+"-rows/s")
	}
	tab.Flush()
}

// newTemplate is a data directory with the population that all contenders get.
// It has no anomalies: a live child makes the peers stop or take it along.
func newTemplate(b *testing.B, dir string) string {
	template := filepath.Join(dir, "t")
	s, err := mariadb.StartNova(template, durable...)
	must(b, err)
	must(b, s.Populate(mariadb.Population{Database: mariadb.Cell1, Cell: "cell1", Instances: 30000, Live: 5000, Metadata: 4}))
	must(b, s.Exec("SET GLOBAL innodb_fast_shutdown=0"))
	must(b, s.Stop())
	return template
}

func median(s []score) score {
	pick := func(f func(score) float64) float64 {
		var v []float64
		for _, x := range s {
			v = append(v, f(x))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return score{pick(func(s score) float64 { return s.rows }), time.Duration(pick(func(s score) float64 { return float64(s.stall) })),
		pick(func(s score) float64 { return s.mb }), time.Duration(pick(func(s score) float64 { return float64(s.took) }))}
}

func (c contender) measure(b *testing.B, dir, template string) score {
	run := filepath.Join(dir, "r")
	w := fromTemplate(b, run, template)
	defer os.RemoveAll(run)
	defer w.Stop()
	w.warm(b)
	ctx, stop := context.WithCancel(context.Background())
	stalls := make(chan time.Duration)
	go func() { stalls <- w.live(ctx) }()
	begun := time.Now()
	var mb float64
	for _, cmd := range c.run(w, run) {
		out, err := cmd.CombinedOutput()
		mb = max(mb, peak(cmd.ProcessState))
		// nova-manage exits with 1 when it archived something
		if err != nil && !(cmd.ProcessState.ExitCode() == 1 && strings.HasPrefix(c.name, "nova-manage")) {
			b.Fatalf("%s: %v: %s", c.name, err, out)
		}
	}
	took := time.Since(begun)
	stop()
	stall := <-stalls
	if n := w.count(b, "SELECT COUNT(*) FROM nova.instances WHERE deleted<>0 AND deleted_at<'2025-11-22'"); n != 0 {
		b.Fatalf("%s left %d instances", c.name, n)
	}
	return score{float64(w.shadowRows(b)) / took.Seconds(), stall, mb, took}
}

// fromTemplate starts a server with a copy of the template.
func fromTemplate(b *testing.B, run, template string) *world {
	must(b, os.MkdirAll(run, 0o700))
	if out, err := exec.Command("cp", "-a", filepath.Join(template, "data"), filepath.Join(run, "data")).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	s, err := mariadb.Start(run, "127.0.0.1", 0, durable...)
	must(b, err)
	w := connect(b, s)
	for cell, db := range map[string]string{"cell0": mariadb.Cell0, "cell1": mariadb.Cell1, "cell2": mariadb.Cell2} {
		w.exec(b, "UPDATE nova_api.cell_mappings SET database_connection='%s' WHERE name='%s'", s.URL(db), cell)
	}
	return w
}

// warm reads every index, as a server that runs for long has them in memory:
// the longest stall would be that of the first reads.
func (w *world) warm(b *testing.B) {
	db, err := w.Open(mariadb.Cell1)
	must(b, err)
	defer db.Close()
	rows, err := db.Query("SELECT DISTINCT table_schema, table_name, index_name FROM information_schema.statistics WHERE table_schema LIKE 'nova%'")
	must(b, err)
	defer rows.Close()
	for rows.Next() {
		var schema, table, index string
		must(b, rows.Scan(&schema, &table, &index))
		w.count(b, fmt.Sprintf("SELECT COUNT(*) FROM `%s`.`%s` FORCE INDEX (`%s`)", schema, table, index))
	}
	must(b, rows.Err())
}

func (w *world) shadowRows(b *testing.B) (n int64) {
	for _, t := range strings.Fields("instances instance_actions_events instance_actions block_device_mapping instance_extra instance_faults instance_info_caches instance_metadata instance_system_metadata migrations virtual_interfaces instance_id_mappings") {
		n += w.count(b, "SELECT COUNT(*) FROM nova.shadow_"+t)
	}
	return n
}

// live is what nova goes on doing; it returns the longest that an INSERT took.
func (w *world) live(ctx context.Context) (longest time.Duration) {
	db, err := w.Open(mariadb.Cell1)
	if err != nil {
		return 0
	}
	defer db.Close()
	for i := 0; ctx.Err() == nil; i++ {
		id := 6 * (1 + i%5000) // those that are alive
		db.Exec("UPDATE instances SET updated_at=NOW(), progress=? WHERE id=? AND deleted=0", i%100, id)
		begun := time.Now()
		db.Exec("INSERT INTO instance_actions (created_at,action,instance_uuid,request_id,deleted) SELECT NOW(),'reboot',uuid,?,0 FROM instances WHERE id=?", i, id)
		longest = max(longest, time.Since(begun))
		time.Sleep(20 * time.Millisecond)
	}
	return longest
}
