package dbarchive

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/appliertest"
	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

// The Applier passes what every Applier passes.
func TestApplier(t *testing.T) {
	t.Parallel()
	appliertest.Run(t, appliertest.Suite{
		New: func(t testing.TB, dir string) appliertest.World {
			s := lab(t).nova
			must(t, os.WriteFile(filepath.Join(dir, "port"), []byte(fmt.Sprint(s.Port)), 0o600))
			heal := func() {
				must(t, s.Exec("ALTER TABLE nova.shadow_instance_faults DROP COLUMN IF EXISTS spoiled; DROP TRIGGER IF EXISTS nova.alters"))
			}
			heal()
			t.Cleanup(heal) // before the site goes to another test
			must(t, s.Exec(strings.Join(stateTables("nova"), ";")))
			must(t, s.Clear(databases...))
			must(t, s.Populate(mariadb.Population{Database: mariadb.Cell1, Cell: "cell1", Instances: 40, Live: 8, Metadata: 1, Anomalies: true}))
			w := conforming(t, s)
			w.Plan = connect(t, s).plan(t, cell1)
			return w
		},
		Open: func(t testing.TB, dir string) appliertest.World {
			port, err := os.ReadFile(filepath.Join(dir, "port"))
			must(t, err)
			s := &mariadb.Server{Addr: "127.0.0.1"}
			_, err = fmt.Sscan(string(port), &s.Port)
			must(t, err)
			return conforming(t, s)
		},
	})
}

func conforming(t testing.TB, s *mariadb.Server) appliertest.World {
	w := connect(t, s)
	return appliertest.World{
		Applier: NewApplier(w.dbs, Settings{LeaseTTL: time.Second, Limits: Limits{Rows: 60}}),
		Options: stackmend.Options{MaxWait: 30 * time.Second},
		Look:    func() (string, error) { return w.look(t), nil },
		Spoil:   func() error { w.exec(t, "ALTER TABLE nova.shadow_instance_faults ADD COLUMN spoiled INT"); return nil },
		// the archive is not what it seems: it takes rows and holds others
		Hostile: func() error {
			w.exec(t, "CREATE TRIGGER nova.alters BEFORE INSERT ON nova.shadow_instance_extra FOR EACH ROW SET NEW.flavor=UPPER(NEW.flavor)")
			return nil
		},
	}
}

// look counts the rows of every table on both sides, with what their
// instances are called.
func (w *world) look(t testing.TB) string {
	var b strings.Builder
	for _, name := range strings.Fields("instances instance_actions instance_actions_events block_device_mapping instance_extra instance_faults instance_info_caches instance_metadata instance_system_metadata migrations virtual_interfaces instance_id_mappings task_log services") {
		fmt.Fprintf(&b, "%s %d %d\n", name, w.count(t, "SELECT COUNT(*) FROM nova."+name), w.count(t, "SELECT COUNT(*) FROM nova.shadow_"+name))
	}
	for _, from := range []string{"nova.instances", "nova.shadow_instances"} {
		fmt.Fprintf(&b, "%s %d\n", from, w.count(t, "SELECT BIT_XOR(CRC32(uuid)) FROM "+from))
	}
	for _, from := range []string{"nova_api.instance_mappings", "nova_api.request_specs", "nova_api.instance_group_member", "nova.stackmend_api_rows"} {
		fmt.Fprintf(&b, "%s %d %d\n", from, w.count(t, "SELECT COUNT(*) FROM "+from), w.count(t, "SELECT BIT_XOR(CRC32(instance_uuid)) FROM "+from))
	}
	fmt.Fprintf(&b, "pending %d\n", w.count(t, "SELECT COUNT(*) FROM nova.stackmend_api_rows WHERE state<>1"))
	return b.String()
}
