package dbarchive

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var (
	soak = flag.Bool("soak", false, "run the long forms of the tests")
	seed = flag.Uint64("seed", 0, "seed of random tests; 0: from the clock")
)

func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", s)
	return rand.New(rand.NewPCG(s, 1))
}

// texts are values that copies and comparisons could get wrong.
var texts = []string{"NULL", "''", "' '", "'a'", "'A'", "'a '", "'ä'", "'\\\\'", "'\\''", "'%'", "'0'", "'line\\nbreak'", "'\\0'"}

// scatter fills a cell with random trees: of any age, alive and deleted, with
// and without children of either kind, on hosts that were seen, were not, or
// are not known.
func (w *world) scatter(t testing.TB, r *rand.Rand, database, cell string, n int) {
	t.Helper()
	q := &strings.Builder{}
	fmt.Fprintf(q, "USE %s; SET @cell=(SELECT id FROM nova_api.cell_mappings WHERE name='%s');\n", database, cell)
	for i, seen := range []string{"'2026-11-01'", "'2024-06-01'", "NULL"} {
		fmt.Fprintf(q, "INSERT INTO services (host,`binary`,topic,report_count,deleted,last_seen_up,uuid) VALUES ('h%d','nova-compute','compute',1,0,%s,UUID());\n", i, seen)
	}
	fmt.Fprint(q, "INSERT IGNORE INTO nova_api.instance_groups (id,uuid,user_id,project_id,name) VALUES (1,UUID(),'u','p','g');\n")
	for i := 1; i <= n; i++ {
		w.scatterOne(q, r, i)
	}
	must(t, w.Exec(q.String()))
}

func (w *world) scatterOne(q *strings.Builder, r *rand.Rand, i int) {
	text := func() string { return texts[r.IntN(len(texts))] }
	uuid := fmt.Sprintf("'%08x-%04x-4%03x-a%03x-%012x'", r.Uint32(), r.UintN(1<<16), r.UintN(1<<12), r.UintN(1<<12), r.Uint64()>>16)
	at := fmt.Sprintf("'%s'", time.Date(2023+r.IntN(4), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), 0, 0, 0, time.UTC).Format(time.DateTime))
	dead := r.IntN(4) > 0
	mark := func(alive bool) string { // deleted, deleted_at
		if alive {
			return []string{"0,NULL", "0,NULL", "NULL,NULL"}[r.IntN(3)]
		}
		return fmt.Sprintf("%d,%s", 1+r.IntN(99), at)
	}
	state := "0,NULL"
	if dead {
		if state = mark(false); r.IntN(15) == 0 {
			state = "7,NULL"
		}
	}
	host := []string{"NULL", "'h0'", "'h0'", "'h0'", "'h1'", "'h2'", "'gone'"}[r.IntN(7)]
	fmt.Fprintf(q, "INSERT INTO instances (id,uuid,deleted,deleted_at,host,display_name,user_data,cleaned) VALUES (%d,%s,%s,%s,%s,%s,%d);\n",
		i, uuid, state, host, text(), text(), r.IntN(2))
	child := func(table, cols string, values func() string) {
		for range r.IntN(3) {
			alive := !dead && r.IntN(3) > 0 || r.IntN(40) == 0
			fmt.Fprintf(q, "INSERT INTO %s (instance_uuid,deleted,deleted_at%s) VALUES (%s,%s%s);\n", table, cols, uuid, mark(alive), values())
		}
	}
	child("instance_metadata", ",`key`,value", func() string { return "," + text() + "," + text() })
	child("instance_system_metadata", ",`key`,value", func() string { return ",'k'," + text() })
	child("instance_faults", ",code,details", func() string { return ",500," + text() })
	child("block_device_mapping", ",connection_info,uuid", func() string { return "," + text() + ",UUID()" })
	child("virtual_interfaces", ",tag,address,uuid", func() string { return "," + text() + ",UUID(),UUID()" })
	child("migrations", ",status,uuid,hidden,cross_cell_move", func() string { return ",'done',UUID(),0,0" })
	if r.IntN(2) == 0 {
		fmt.Fprintf(q, "INSERT INTO instance_info_caches (instance_uuid,deleted,network_info) VALUES (%s,IF(%v,9,0),REPEAT('n',%d));\n", uuid, dead, r.IntN(3000))
	}
	for range r.IntN(3) {
		fmt.Fprintf(q, "INSERT INTO instance_actions (instance_uuid,action,deleted) VALUES (%s,%s,0); SET @a=LAST_INSERT_ID();\n", uuid, text())
		for range r.IntN(3) {
			fmt.Fprintf(q, "INSERT INTO instance_actions_events (action_id,event,deleted) VALUES (@a,%s,0);\n", text())
		}
	}
	if r.IntN(3) > 0 {
		fmt.Fprintf(q, "INSERT INTO instance_id_mappings (uuid,deleted) VALUES (%s,IF(%v,3,0));\n", uuid, dead)
	}
	if r.IntN(30) == 0 {
		fmt.Fprintf(q, "INSERT INTO tags (resource_id,tag) VALUES (%s,'x');\n", uuid)
	}
	if r.IntN(10) > 0 {
		fmt.Fprintf(q, "INSERT INTO nova_api.instance_mappings (instance_uuid,cell_id,project_id) VALUES (%s,@cell,'p');\n", uuid)
		fmt.Fprintf(q, "INSERT INTO nova_api.request_specs (instance_uuid,spec) VALUES (%s,IFNULL(%s,'s'));\n", uuid, text())
		fmt.Fprintf(q, "INSERT INTO nova_api.instance_group_member (instance_uuid,group_id) VALUES (%s,1);\n", uuid)
	}
}

// No live row ever moves, every row is in one place, and archiving then
// restoring is the identity.
func TestRandomPopulations(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	rounds := 30
	if *soak {
		rounds = 1000
	}
	for range rounds {
		w := fresh(t)
		w.scatter(t, r, "nova", "cell1", 1+r.IntN(24))
		before := w.books(t, "cell1")
		p := w.plan(t, Selection{Cells: []string{"cell1"}})
		if len(p.Refusals) > 0 {
			t.Fatal(p.Refusals)
		}
		w.apply(t, p)
		after := w.books(t, "cell1")
		// API rows without a mapping cannot be told to be ours
		balance(t, before, after)
		w.nothingLeft(t)
		w.restoreAll(t, before, after)
	}
}

// nothingLeft checks that a second plan finds nothing to do.
func (w *world) nothingLeft(t *testing.T) {
	t.Helper()
	if p := w.plan(t, Selection{Cells: []string{"cell1"}}); len(p.Steps) > 0 {
		t.Fatalf("a second plan has %d steps: %v", len(p.Steps), p.Steps[0])
	}
}

func (w *world) restoreAll(t *testing.T, before, after books) {
	t.Helper()
	for u := range after.archived {
		p, err := PlanRestore(t.Context(), w.dbs, u, Destination{}, time.Hour)
		must(t, err)
		w.apply(t, p)
	}
	// rows that went on their own stay where they are
	back := w.books(t, "cell1")
	for k, d := range back.shadow {
		back.main[k] = d
	}
	back.shadow = before.shadow
	if d := before.differs(back); d != "" {
		t.Fatal("after archiving and restoring all: ", d)
	}
	if len(back.saved) > 0 || len(back.archived) > 0 {
		t.Fatalf("left behind: %v %v", back.saved, back.archived)
	}
}
