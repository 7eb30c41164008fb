package bootvolume

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/appliertest"
)

// prober is a world of the conformance suite: a fresh probe, of which some
// steps are taken.
func prober(make func(t testing.TB, plan *stackmend.Plan, p *Prober)) func(testing.TB, string) appliertest.World {
	return func(t testing.TB, _ string) appliertest.World {
		dbs := nodes(t)
		p := NewProber(dbs)
		plan := probeOf(t, Probe{Nodes: []string{"c1", "c2"}, Database: "lab", Rounds: 1})
		name := strings.Split(plan.Steps[0].Target, "`")[3]
		w := appliertest.World{Applier: p, Plan: plan}
		w.Look = func() (string, error) { return tables(dbs["c1"]) }
		w.Spoil = func() error {
			_, err := dbs["c1"].Exec("DROP TABLE IF EXISTS lab." + name)
			if err == nil {
				_, err = dbs["c1"].Exec("CREATE TABLE lab." + name + " (id INT) COMMENT='of somebody'")
			}
			return err
		}
		if make != nil {
			make(t, plan, p)
		}
		return w
	}
}

// emptied takes away what the world before has left.
func emptied(t testing.TB) {
	t.Helper()
	db := nodes(t)["c1"]
	rows, err := db.Query("SELECT table_name FROM information_schema.tables WHERE table_schema='lab' AND table_name LIKE 'stackmend%'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		do(t, db, "DROP TABLE lab."+name)
	}
}

func TestProberConforms(t *testing.T) {
	make := prober(func(t testing.TB, plan *stackmend.Plan, _ *Prober) { emptied(t); plan.Steps = plan.Steps[:2] })
	appliertest.Run(t, appliertest.Suite{New: make, Open: prober(nil)})
}

func TestCleaningUpConforms(t *testing.T) {
	make := prober(func(t testing.TB, plan *stackmend.Plan, p *Prober) {
		emptied(t)
		if err := p.Do(t.Context(), plan.Steps[0], &stackmend.Work{}); err != nil {
			t.Fatal(err)
		}
		plan.Steps = plan.Steps[2:]
		plan.Steps[0].Group = "" // by itself it is not undone
	})
	appliertest.Run(t, appliertest.Suite{New: make, Open: prober(nil)})
}

func TestPlanProbe(t *testing.T) {
	for _, p := range []Probe{
		{Nodes: []string{"a"}, Database: "x"}, {Nodes: []string{"a", "a"}, Database: "x"}, {Nodes: []string{"a", "b"}},
		{Nodes: []string{"a", "b"}, Database: "x`; DROP"}, {Nodes: []string{"a", "b,c"}, Database: "x"}, {Nodes: []string{"a", "b"}, Database: "x", Rounds: 1e6},
	} {
		if _, err := PlanProbe(p, time.Now(), time.Hour); !errors.Is(err, ErrProbe) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

// A quiet probe proves nothing, unless the reads waited.
func TestQuietProbe(t *testing.T) {
	l := Lateness{Writer: "a", Reader: "b", Rows: 5}
	if r := Check(&Snapshot{Rows: []Lateness{l}}); r.Status != stackmend.Unknown || r.Findings[0].Code != CodeProbeQuiet {
		t.Errorf("%+v", r)
	}
	l.Waited = true
	if r := Check(&Snapshot{Rows: []Lateness{l}}); r.Status != stackmend.OK {
		t.Errorf("%+v", r)
	}
}
