package live

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/bootvolume"
	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/galera"
	"github.com/stackmend/stackmend/internal/lab/haproxy"
	"github.com/stackmend/stackmend/internal/lab/openstack"
)

// beforeNodes: one cinder-api for each node of Galera, all of which take writes.
const beforeNodes = `
defaults
    mode http
    log global
    option httplog
    timeout connect 5s
    timeout client 120s
    timeout server 120s
listen cinder
    bind %s:18777
    capture request header X-OpenStack-Request-ID len 64
    balance roundrobin
`

// bootConflicts boots batches while another session writes the row of the quota
// on one node, as many more boots would, until one is lost by that.
func bootConflicts(t *testing.T, w *world) {
	begun, nodes := time.Now(), nodesOfCinder(t)
	var urls []string
	for _, n := range nodes.Nodes {
		urls = append(urls, n.URL("cinder"))
	}
	sections := fmt.Sprintf(beforeNodes, w.Addr)
	for i, api := range w.SpreadVolumes(t, urls...) {
		sections += fmt.Sprintf("    server ctl%d %s\n", i+1, api)
	}
	proxy := haproxy.Start(t, t.TempDir(), sections)
	w.VolumesThrough(t, "c01", w.Addr+":18777", 120)
	w.Unlimit(t)
	run(t, nodes, "UPDATE cinder.quota_classes SET hard_limit=-1")

	well, lost := w.Try(t, openstack.Boot{Name: "before", Host: "c01", Volume: true}) // makes the row
	for n := 0; len(lost) == 0 && n < 5; n++ {
		end := disturb(t, nodes, w.Project(), 10*time.Millisecond>>(2*n))
		var batch []openstack.Boot
		for i := range 6 {
			batch = append(batch, openstack.Boot{Name: fmt.Sprintf("batch%d-%d", n, i), Host: "c01", Volume: true})
		}
		more, gone := w.Try(t, batch...)
		well, lost = append(well, more...), append(lost, gone...)
		end()
	}
	t.Logf("%d run, %d are lost", len(well), len(lost))
	for _, id := range append(well, lost...) {
		w.Delete(t, id)
	}
	w.toldOf(t, bootvolume.Check(w.linesOfNodes(t, proxy, nodes, begun)), lost)
}

// toldOf is that a report has the instances that were lost, by conflicts, and
// no other.
func (w *world) toldOf(t *testing.T, r stackmend.Result, lost []string) {
	t.Helper()
	want, got, told := map[string]string{}, map[string]string{}, 0
	for _, id := range lost {
		want[id] = bootvolume.CodeDatabaseConflict
	}
	for _, f := range r.Findings {
		if id, ok := strings.CutPrefix(f.Subject, "instance "); ok {
			got[id] = f.Code
		}
		if f.Code == bootvolume.CodeCertification {
			told++
		}
	}
	if len(lost) == 0 || told == 0 || !maps.Equal(got, want) {
		t.Errorf("%v, want %v; conflicts told %d times", got, want, told)
		for _, f := range r.Findings {
			t.Logf("%s %s: %s %+v", f.Subject, f.Code, f.Message, f.Evidence)
		}
	}
}

// linesOfNodes are what nova, HAProxy, each cinder-api and each node have
// logged since then.
func (w *world) linesOfNodes(t *testing.T, proxy *haproxy.Proxy, nodes *galera.Cluster, since time.Time) *bootvolume.Snapshot {
	t.Helper()
	logs := w.services()
	delete(logs, w.Log("cinder-api"))
	logs[proxy.Log] = bootvolume.Log{Source: bootvolume.HAProxy, Host: "ctl1"}
	s := &bootvolume.Snapshot{Subject: "the cloud", Taken: time.Now()}
	for i, n := range nodes.Nodes {
		logs[w.Log(fmt.Sprintf("cinder-api-%d", i+1))] = bootvolume.Log{Source: bootvolume.API, Host: fmt.Sprintf("ctl%d", i+1)}
		f, err := os.Open(n.LogFile())
		if err != nil {
			t.Fatal(err)
		}
		l, err := bootvolume.ReadNodeLog(soon(t), f, n.LogFile(), bootvolume.Log{Host: fmt.Sprintf("c%d", i+1), Now: time.Now(), Zone: time.Local})
		if f.Close(); err != nil {
			t.Fatal(err)
		}
		s.NodeLogs = append(s.NodeLogs, l)
	}
	readLogs(t, s, since, logs)
	return s
}

// nodesOfCinder are three nodes that have nothing but an empty database.
func nodesOfCinder(t *testing.T) *galera.Cluster {
	t.Helper()
	if err := galera.Available(); err != nil {
		lab.Without(t, err.Error())
	}
	dir, err := os.MkdirTemp("", "lv") // the user mysql must reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	nodes, err := galera.StartEmpty(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nodes.Stop() }) // its folder goes too
	for _, n := range nodes.Nodes {
		if err := n.Exec("SET GLOBAL wsrep_log_conflicts=ON"); err != nil {
			t.Fatal(err)
		}
	}
	run(t, nodes, "CREATE DATABASE cinder CHARACTER SET utf8mb3")
	return nodes
}

// run runs a statement on the first node.
func run(t *testing.T, nodes *galera.Cluster, query string) {
	t.Helper()
	if err := nodes.Nodes[0].Exec(query); err != nil {
		t.Fatal(err)
	}
}

// disturb writes the project's row of the quota on the first node, again and
// again, until it is told to end. What is fast enough comes through between two
// writes.
func disturb(t *testing.T, nodes *galera.Cluster, project string, pause time.Duration) (end func()) {
	t.Helper()
	db, err := nodes.Nodes[0].Open("cinder")
	if err != nil {
		t.Fatal(err)
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(pause):
				// What it loses itself does not matter: it comes again.
				_, _ = db.Exec("UPDATE quota_usages SET until_refresh=? WHERE project_id=?", 1000+n%1000, project)
			}
		}
	}()
	return func() { close(stop); <-ended; db.Close() }
}
