package dbarchive

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sync/errgroup"
)

// childPlain makes the test binary a mover that proves nothing and leaves API
// rows alone, with so many connections: it shows what moving the rows costs by
// itself, and so what is left for whoever does the rest as well.
const childPlain = "DBARCHIVE_TEST_PLAIN"

// plainTrees is how many instances a transaction moves.
const plainTrees = 100

// plain is a process of its own, like the others.
func plain(w *world, parallel int) []*exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	c := exec.Command(self, "-test.run=^$")
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%s:%d", childAddr, w.Addr, w.Port), fmt.Sprintf("%s=%d", childPlain, parallel))
	return []*exec.Cmd{c}
}

// plainTables are the tables that hold rows of instances in the benchmark's
// population, children first, with the column that names the instance.
var plainTables = [][2]string{
	{"instance_actions_events", ""}, {"instance_actions", "instance_uuid"}, {"block_device_mapping", "instance_uuid"},
	{"instance_extra", "instance_uuid"}, {"instance_faults", "instance_uuid"}, {"instance_info_caches", "instance_uuid"},
	{"instance_metadata", "instance_uuid"}, {"instance_system_metadata", "instance_uuid"}, {"migrations", "instance_uuid"},
	{"virtual_interfaces", "instance_uuid"}, {"instance_id_mappings", "uuid"}, {"instances", "uuid"},
}

func plainAsChild(addr string, parallel int) int {
	if err := movePlainly(addr, parallel); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// movePlainly copies and deletes by plain statements, and looks at nothing.
func movePlainly(addr string, parallel int) error {
	db, err := sql.Open("mysql", fmt.Sprintf("nova:nova@tcp(%s)/nova?tx_isolation=%%27READ-COMMITTED%%27&foreign_key_checks=1", addr))
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.Query("SELECT uuid FROM instances WHERE deleted<>0 AND deleted_at<'2025-11-22' ORDER BY id")
	if err != nil {
		return err
	}
	var trees []string
	for rows.Next() {
		var uuid string
		if err := rows.Scan(&uuid); err != nil {
			return err
		}
		trees = append(trees, "'"+uuid+"'")
	}
	if err := rows.Err(); err != nil {
		return err
	}
	columns := map[string]string{}
	for _, t := range plainTables {
		var names string
		if err := db.QueryRow("SELECT GROUP_CONCAT('`',column_name,'`') FROM information_schema.columns WHERE table_schema='nova' AND table_name=?", t[0]).Scan(&names); err != nil {
			return err
		}
		columns[t[0]] = names
	}
	var g errgroup.Group
	g.SetLimit(parallel)
	for len(trees) > 0 {
		n := min(plainTrees, len(trees))
		of := strings.Join(trees[:n], ",")
		trees = trees[n:]
		g.Go(func() error { return movePlainTrees(db, columns, of) })
	}
	return g.Wait()
}

func movePlainTrees(db *sql.DB, columns map[string]string, of string) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, t := range plainTables {
		from := fmt.Sprintf("%[1]s t WHERE t.%[2]s IN (%[3]s)", t[0], t[1], of)
		if t[1] == "" {
			from = fmt.Sprintf("instance_actions a JOIN %s t ON t.action_id=a.id WHERE a.instance_uuid IN (%s)", t[0], of)
		}
		for _, q := range []string{
			fmt.Sprintf("INSERT INTO shadow_%s (%s) SELECT %s FROM %s", t[0], columns[t[0]], "t."+strings.ReplaceAll(columns[t[0]], ",", ",t."), from),
			fmt.Sprintf("DELETE t FROM %s", from),
		} {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}
