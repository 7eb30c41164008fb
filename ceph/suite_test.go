package ceph_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

// A backend is a way to reach the cluster.
type backend struct {
	name string
	to   ceph.Commander
}

// localCluster asks the OSDs by their admin sockets.
func localCluster(t *testing.T, c *labceph.Cluster, others ceph.Commander) ceph.Commander {
	dir := filepath.Join(c.Dir, "asok")
	sockets, err := ceph.FindSockets(dir, os.DirFS(dir))
	must(t, err)
	if len(sockets) != labceph.OSDs {
		t.Fatalf("sockets: %v", sockets)
	}
	return ceph.Local{Next: others, Sockets: sockets}
}

func mgrCommand(prefix string, args ...ceph.Arg) ceph.Command {
	return ceph.Command{To: ceph.Target{Kind: ceph.KindMgr}, Prefix: prefix, Args: args}
}

func anyPG(t *testing.T, c *labceph.Cluster) string {
	t.Helper()
	out, err := c.Ceph("-f", "json", "pg", "ls-by-pool", "test")
	must(t, err)
	var pgs struct {
		Stats []struct{ PGID string } `json:"pg_stats"`
	}
	must(t, json.Unmarshal(out, &pgs))
	return pgs.Stats[0].PGID
}

// TestBackends is the suite that every backend passes against a real cluster.
// The command line comes first and is recorded, the recording is replayed.
func TestBackends(t *testing.T) {
	c := cluster(t)
	root, err := os.OpenRoot(t.TempDir())
	must(t, err)
	defer root.Close()
	rec, err := ceph.NewRecorder(cli(c), root, time.Now())
	must(t, err)
	recorded := ceph.Recorded{FS: root.FS()}
	var live *ceph.Snapshot
	pg := anyPG(t, c)
	for _, b := range []backend{{"cli", rec}, {"recorded", recorded}, {"librados", nil}, {"local", localCluster(t, c, recorded)}} {
		t.Run(b.name, func(t *testing.T) {
			if b.name == "librados" {
				b.to = librarian(t, c, "", "")
			}
			s := suiteObserve(t, b.to)
			suiteQuery(t, pg, b.to)
			suiteErrors(t, b.to)
			suiteOKToStop(t, b.to)
			suiteCancelled(t, b.to)
			if b.name == "cli" {
				live = s
			}
			if d := cmp.Diff(live, s, cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "Taken" }, cmp.Ignore())); d != "" && b.name == "recorded" {
				t.Errorf("the recording is not what was seen: %s", d)
			}
		})
	}
	modes(t, root.FS())
	if _, err := ceph.NewRecorder(cli(c), root, time.Now()); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second recording into the same folder: %v", err)
	}
}

// modes: a recording is its owner's alone.
func modes(t *testing.T, tree fs.FS) {
	must(t, fs.WalkDir(tree, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if i, err := e.Info(); err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, i.Mode(), err)
		}
		return nil
	}))
}

func suiteCancelled(t *testing.T, to ceph.Commander) {
	ctx, cancel := context.WithCancel(within(t, patience))
	cancel()
	_, err := body(to.Command(ctx, ceph.Command{To: ceph.Target{Kind: ceph.KindMon}, Prefix: "osd stat"}))
	if !errors.Is(err, stackmend.ErrUncertain) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func suiteObserve(t *testing.T, to ceph.Commander) *ceph.Snapshot {
	s := observe(t, to, ceph.Options{})
	if len(s.Unseen) > 0 {
		t.Errorf("unseen: %+v", s.Unseen)
	}
	if s.Epoch <= 0 || s.EpochEnd < s.Epoch || len(s.OSDs) != labceph.OSDs || s.PGs.Total < 32 || !s.Mgr.Available {
		t.Errorf("epoch %d..%d, %d OSDs, %d PGs, mgr %+v", s.Epoch, s.EpochEnd, len(s.OSDs), s.PGs.Total, s.Mgr)
	}
	if s.PGs.Total != s.Recovery.PGs {
		t.Errorf("pg dump has %d PGs, status %d", s.PGs.Total, s.Recovery.PGs)
	}
	for _, o := range s.OSDs {
		d := o.Daemon
		if d == nil || d.State != "active" || d.Pools == nil || d.Pools.Total <= 0 || d.Perf == nil || d.Config["osd_op_queue"] != "wpq" {
			t.Fatalf("osd.%d: %+v", o.ID, d)
		}
		if o.Host == "" || o.Hostname == "" || o.MemTotal <= 0 || o.Version.Major < 16 || o.Load.PGs == 0 || o.Size == 0 || o.CommitMS < 0 {
			t.Errorf("osd.%d: %+v", o.ID, o)
		}
	}
	r := ceph.Check(ceph.Observed{Cluster: s}, ceph.Policy{})
	for _, f := range r.Findings {
		// Debian's OSDs have no tcmalloc, so the size of the processes is not to be had here.
		// The cluster is younger than the window that flapping is looked for in.
		// On a busy machine Ceph complains of slow heartbeats now and then.
		if f.Code == ceph.CodeHealth {
			continue
		}
		if f.Code != ceph.CodeFragmented && f.Code != ceph.CodeFlapping || f.Status != stackmend.Unknown {
			t.Errorf("%+v", f)
		}
	}
	return s
}

func suiteQuery(t *testing.T, pg string, to ceph.Commander) {
	b, err := ceph.Ask(within(t, patience), to, ceph.Command{To: ceph.ToPG(pg), Prefix: "query"})
	if err != nil || !strings.Contains(string(b), `"peer_info"`) {
		t.Errorf("%.200s, %v", b, err)
	}
}

func suiteErrors(t *testing.T, to ceph.Commander) {
	mon := ceph.Target{Kind: ceph.KindMon}
	ctx := within(t, patience)
	_, err := ceph.Ask(ctx, to, ceph.Command{To: mon, Prefix: "osd no-such-command"})
	var ce *ceph.CommandError
	if !errors.As(err, &ce) || ce.Code != 22 {
		t.Errorf("a command that is not there: %v", err)
	}
	_, err = ceph.Ask(ctx, to, ceph.Command{To: ceph.ToOSD(99), Prefix: "status"})
	if err == nil {
		t.Error("osd.99 answered")
	}
	for _, bad := range []ceph.Command{
		{}, {To: mon}, {To: mon, Prefix: "--version"}, {To: ceph.ToOSD(-1), Prefix: "status"}, {To: ceph.ToPG("x"), Prefix: "query"},
		{To: mon, Prefix: "osd dump", Args: []ceph.Arg{{Name: "epoch", Value: "--keyring=x"}}},
		{To: mon, Prefix: "osd out", Args: []ceph.Arg{{Name: "ids", Value: []string{}}}},
		{To: mon, Prefix: "osd dump", Args: []ceph.Arg{{Name: "prefix", Value: "osd lost"}}},
	} {
		if _, err := ceph.Ask(ctx, to, bad); err == nil || errors.As(err, &ce) && ce.Code != 0 {
			t.Errorf("%+v was put to the cluster: %v", bad, err)
		}
	}
}

// suiteOKToStop: a refusal comes with an error and its body.
func suiteOKToStop(t *testing.T, to ceph.Commander) {
	ctx := within(t, patience)
	b, err := ceph.Ask(ctx, to, mgrCommand("osd ok-to-stop", ceph.Arg{Name: "ids", Value: []string{"0"}}))
	if err != nil || !strings.Contains(string(b), `"ok_to_stop":true`) {
		t.Errorf("one OSD: %s, %v", b, err)
	}
	b, err = ceph.Ask(ctx, to, mgrCommand("osd ok-to-stop", ceph.Arg{Name: "ids", Value: []string{"0", "1", "2"}}))
	var ce *ceph.CommandError
	if !errors.As(err, &ce) || ce.Code != 16 {
		t.Errorf("all OSDs: %s, %v", b, err)
	}
	_, local := to.(ceph.Local)
	if _, recorded := to.(ceph.Recorded); !recorded && !local && !strings.Contains(string(b), `"ok_to_stop":false`) {
		t.Errorf("all OSDs: the refusal lost its body: %q", b)
	}
}
