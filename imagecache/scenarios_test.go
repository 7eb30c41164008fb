package imagecache

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab/nova"
	"github.com/stackmend/stackmend/internal/lab/qemu"
)

// A scene is an instances directory with real images, what nova's database
// and its API say of it, and which disks must still open afterwards.
type scene struct {
	*cloud
	cell   nova.Cell
	labels *strings.Replacer // names of base images, and what the table calls them
	names  []string
	disks  map[string]string // disk of a guest: the base image that it needs
}

// image is the id of the image that the scenarios call by this letter.
func image(letter string) string {
	return fmt.Sprintf("%08x-0000-4000-8000-000000000000", letter[0])
}

func instance(n int) string { return fmt.Sprintf("%08d-0000-4000-8000-000000000000", n) }

// newScene makes computes c01 to c03 that share the directory, with one guest
// each on the images A to C, and a base image U that nothing needs. Every base
// is old enough for nova and for us.
func newScene(t testing.TB) *scene {
	t.Helper()
	c := openCloud(t, t.TempDir())
	c.see(os.Getpid())
	c.fleet = Fleet{}
	c.hosts = map[string]time.Duration{}
	s := &scene{cloud: c, cell: nova.Cell{Host: "c01"}, disks: map[string]string{}}
	c.mkdir("instances/_base")
	for n, letter := range []string{"A", "B", "C"} {
		host := fmt.Sprintf("c%02d", n+1)
		s.fleet.Services = append(s.fleet.Services, hostOK(host))
		s.hosts[host] = time.Minute
		s.guest(n+1, host, letter, s.realBase(letter+"_10", hashOf(image(letter))+"_10"))
	}
	s.realBase("U_10", hashOf(image("U"))+"_10")
	return s
}

// realBase makes a raw image in the base directory.
func (s *scene) realBase(label, name string) string {
	s.t.Helper()
	qemu.Raw(s.t, s.path("_base", name))
	s.touch(name, old)
	s.names = append(s.names, name, label)
	return name
}

func (s *scene) touch(base string, age time.Duration) {
	s.t.Helper()
	at := time.Now().Add(-age)
	s.must(os.Chtimes(s.path("_base", base), at, at))
}

// guest makes an instance whose disk stands on a base image.
func (s *scene) guest(n int, host, letter, base string) string {
	s.t.Helper()
	id := instance(n)
	s.row(n, host, letter, "active")
	s.disk(id, "disk", base)
	return id
}

// row makes the instance known to nova's database and API.
func (s *scene) row(n int, host, letter, state string) {
	id := instance(n)
	s.cell.Instances = append(s.cell.Instances, nova.Instance{UUID: id, Host: host, Image: image(letter), State: state})
	s.fleet.Servers = append(s.fleet.Servers, Server{ID: id, Name: id, Host: host, Status: strings.ToUpper(state), Image: image(letter)})
}

// disk makes a disk of an instance that stands on a base image.
func (s *scene) disk(id, name, base string) {
	s.t.Helper()
	s.must(os.MkdirAll(s.path(id), 0o755))
	qemu.Overlay(s.t, s.path(id, name), s.path("_base", base), "raw")
	s.disks[s.path(id, name)] = base
}

func (s *scene) down(host string, since time.Duration) {
	i := slices.IndexFunc(s.fleet.Services, func(v Service) bool { return v.Host == host })
	s.fleet.Services[i].State = "down"
	s.fleet.Services[i].Updated = time.Now().Add(-since)
}

// A scenario is one way in which nova's cleaner has been seen to err, or not.
type scenario struct {
	name, wrong string
	build       func(*scene)
	deletes     []string // labels of needed images that nova deletes
	accounted   bool     // every host is: what is unused may be planned
}

// The nine scenarios of nova's image cache (nova 26.2.2).
var scenarios = []scenario{
	{"down23h", "c03 has been down for 23 hours", func(s *scene) {
		s.down("c03", 23*time.Hour)
		s.hosts["c03"] = 23 * time.Hour
	}, nil, false},
	{"down25h", "c03 has been down for 25 hours", func(s *scene) {
		s.down("c03", 25*time.Hour)
		s.hosts["c03"] = 25 * time.Hour
	}, []string{"C_10"}, false},
	{"neverregistered", "c03 has manager_interval = -1 and never registered", func(s *scene) {
		delete(s.hosts, "c03")
	}, []string{"C_10"}, false},
	{"emptyregistry", "compute_nodes was truncated by a full disk", func(s *scene) {
		s.hosts = nil
	}, []string{"B_10", "C_10"}, false},
	{"clockskew", "the clock of c01 is 25 hours ahead", func(s *scene) {
		s.hosts["c02"], s.hosts["c03"] = 25*time.Hour, 25*time.Hour
	}, []string{"B_10", "C_10"}, false},
	{"rescue", "a guest of c01 is in rescue, with another image than its own", func(s *scene) {
		rescue := s.realBase("R", hashOf(image("R")))
		s.row(4, "c01", "A", "rescued")
		s.fleet.Servers[3].Status = "RESCUE"
		s.disk(instance(4), "disk", hashOf(image("A"))+"_10")
		s.disk(instance(4), "disk.rescue", rescue)
	}, []string{"R"}, true},
	{"ephemeral2", "a guest of c01 has two ephemeral disks of different sizes", func(s *scene) {
		suffix := nova.EphemeralSuffix(s.t)
		s.guest(4, "c01", "A", hashOf(image("A"))+"_10")
		s.cell.Instances[3].Ephemerals = []int{1, 2}
		for n := range 2 {
			s.disk(instance(4), fmt.Sprintf("disk.eph%d", n), s.realBase(fmt.Sprintf("E%d", n+1), fmt.Sprintf("ephemeral_%d_%s", n+1, suffix)))
		}
	}, []string{"E2"}, true},
	{"deepchain", "the disk of a guest of c01 stands on a snapshot, and that on the base of another image", func(s *scene) {
		base := s.realBase("D", hashOf(image("D")))
		s.row(4, "c01", "A", "active")
		s.disk(instance(4), "disk.snap", base)
		qemu.Overlay(s.t, s.path(instance(4), "disk"), "disk.snap", "qcow2")
		s.disks[s.path(instance(4), "disk")] = base
	}, []string{"D"}, true},
	{"othercell", "a guest of another cell, whose compute has registered, is not in this cell's database", func(s *scene) {
		s.hosts["b01"] = time.Minute
		s.disk(instance(4), "disk", s.realBase("X_10", hashOf(image("X"))+"_10"))
	}, []string{"X_10"}, false},
}

// register writes compute_nodes, or truncates it where no host is to be in it.
func (s *scene) register() {
	s.t.Helper()
	if s.hosts == nil {
		s.write("compute_nodes", nil)
		return
	}
	s.cloud.register()
}

// TestScenarios lets our Observe and Plan judge each tree, then lets nova's
// real image cache manager loose on it, and keeps the table in the
// documentation true.
func TestScenarios(t *testing.T) {
	manager := nova.StartManager(t)
	rows := make([]string, len(scenarios))
	for i, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) { rows[i] = sc.play(t, manager) })
	}
	if !slices.Contains(rows, "") && !t.Failed() {
		compareTable(t, nova.Version(t), rows)
	}
}

// play returns the row of the table.
func (sc scenario) play(t *testing.T, manager *nova.Manager) string {
	s := newScene(t)
	sc.build(s)
	s.register()
	s.labels = strings.NewReplacer(append(slices.Clone(s.names), s.dir+"/", "", "-0000-4000-8000-000000000000", "")...)
	s.opens(t, nil)
	plan := s.quarantine(Policy{})
	why := s.judged(t, plan, sc)

	pass := manager.CachePass(t, s.dir, s.cell)
	deleted := s.called(pass.Deleted)
	for _, label := range sc.deletes {
		if !slices.Contains(deleted, label) {
			t.Errorf("nova did not delete %s, as it did when this was written:\n%s", label, pass.Log)
		}
	}
	lost := s.opens(t, pass.Deleted)
	if len(sc.deletes) == 0 && lost > 0 {
		t.Errorf("nova deleted %q, which is needed:\n%s", deleted, pass.Log)
	}
	s.told(t, pass)
	planned := "nothing: " + s.text(first(plan.Refusals))
	if len(plan.Refusals) == 0 {
		planned = s.text(targets(plan))
	}
	return fmt.Sprintf("| %s | %s | %s | %d | %s | %s |", sc.name, sc.wrong, strings.Join(deleted, ", "), lost, planned, why)
}

// judged checks our plan, and returns why we keep what is needed.
func (s *scene) judged(t *testing.T, plan *stackmend.Plan, sc scenario) string {
	t.Helper()
	var why []string
	needed := append(slices.Clone(sc.deletes), "A_10", "B_10", "C_10")
	for i := 0; i < len(s.names); i += 2 {
		name, label := s.names[i], s.names[i+1]
		if !slices.Contains(needed, label) {
			continue
		}
		if strings.Contains(targets(plan), name) {
			t.Errorf("%s is needed, and we plan: %s", label, targets(plan))
		}
		if slices.Contains(sc.deletes, label) || len(sc.deletes) == 0 && label == "C_10" {
			why = append(why, label+": "+s.text(kept(plan, name)))
		}
	}
	unused := "quarantine " + hashOf(image("U")) + "_10"
	switch {
	case sc.accounted && (targets(plan) != unused || len(plan.Refusals) > 0):
		t.Errorf("every host is accounted for, but the plan is %q, refused for %q", targets(plan), plan.Refusals)
	case !sc.accounted && (len(plan.Steps) > 0 || len(plan.Refusals) == 0):
		t.Errorf("a host is not accounted for, but the plan is %q, refused for %q", targets(plan), plan.Refusals)
	}
	return strings.Join(why, "; ")
}

// opens looks whether each disk opens if and only if its base is there, and
// counts the guests that have lost theirs.
func (s *scene) opens(t *testing.T, deleted []string) int {
	t.Helper()
	lost := map[string]bool{}
	for disk, base := range s.disks {
		gone := slices.Contains(deleted, base)
		if gone {
			lost[filepath.Dir(disk)] = true
		}
		if _, err := qemu.Chain(disk); (err != nil) != gone {
			t.Errorf("%s on %s, deleted: %v: %v", disk, base, gone, err)
		}
	}
	return len(lost)
}

// told looks whether Check finds the images that nova deleted, and its log
// lines name who did.
func (s *scene) told(t *testing.T, pass nova.Pass) {
	t.Helper()
	log := NovaLog{Host: s.cell.Host, Zone: time.Local, Modified: time.Now()}
	removals := removalsIn(t, log, pass.Log)
	if len(removals) != len(pass.Deleted) {
		t.Errorf("nova deleted %q, its log tells of %+v", pass.Deleted, removals)
	}
	snap, err := Observe(t.Context(), s.site, Sources{Fleet: s, Removals: removals})
	s.must(err)
	r, err := Check(snap, Policy{})
	s.must(err)
	for _, base := range pass.Deleted {
		if base == hashOf(image("U"))+"_10" {
			continue
		}
		for _, code := range []string{MissingBase, BaseRemovedByNova} {
			if !slices.ContainsFunc(r.Findings, func(f stackmend.Finding) bool { return f.Code == code && strings.Contains(f.Subject, base) }) {
				t.Errorf("no finding %s for %s: %+v", code, s.text(base), r.Findings)
			}
		}
	}
}

func (s *scene) called(names []string) (labels []string) {
	for _, n := range names {
		labels = append(labels, s.text(n))
	}
	slices.Sort(labels)
	return labels
}

// ages change from run to run.
var ages = regexp.MustCompile(`(\d+h)\d+m\d+s`)

func (s *scene) text(v string) string { return ages.ReplaceAllString(s.labels.Replace(v), "$1") }

func first(v []string) string {
	if len(v) == 0 {
		return ""
	}
	return v[0]
}
