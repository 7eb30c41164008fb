package dbarchive

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

// TestBeside: what an index tells of rows without a deleted instance, in small
// parts and in one, is what the definition of such rows selects.
func TestBeside(t *testing.T) {
	t.Parallel()
	w := fresh(t)
	w.scatter(t, rand.New(rand.NewPCG(1, 2)), mariadb.Cell1, "cell1", 60)
	must(t, w.Exec("SET foreign_key_checks=0; INSERT INTO nova.instance_metadata (instance_uuid,`key`,deleted) SELECT CONCAT('f',SUBSTR(UUID(),2)),'k',0 FROM nova.instances LIMIT 5;"+
		"INSERT INTO nova.block_device_mapping (instance_uuid,deleted,deleted_at) VALUES (NULL,7,'2020-01-01'),(NULL,0,NULL);"+
		"UPDATE nova.block_device_mapping b JOIN nova.instances i ON i.uuid=b.instance_uuid SET b.deleted=b.id, b.deleted_at='2020-01-01' WHERE i.deleted=0;"+
		"INSERT INTO nova.instance_id_mappings (uuid,deleted,deleted_at) VALUES ('gone',9,'2020-01-01'); ANALYZE TABLE nova.block_device_mapping, nova.instance_metadata, nova.instance_id_mappings, nova.instance_extra"))
	ctx := context.Background()
	s, err := open(ctx, w.cell(t, "cell1").DB)
	must(t, err)
	defer s.drop()
	sc, err := s.describe(ctx)
	must(t, err)
	l, problems := sc.layout(Destination{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var loose, gone int64
	for _, m := range l.tree.members {
		if m.parent != nil || m.follow {
			continue
		}
		from := fmt.Sprintf("FROM nova.%s t WHERE ", m.table.Name)
		rows := w.count(t, "SELECT COUNT(*) "+from+l.looseWhere(m.table, cutoff))
		last := w.count(t, "SELECT IFNULL(MAX(t.id),0) "+from+l.looseWhere(m.table, cutoff))
		without := w.count(t, fmt.Sprintf("SELECT COUNT(*) %[1]s t.%[2]s IS NOT NULL AND t.%[2]s NOT IN (SELECT uuid FROM nova.instances)", from, m.column))
		loose, gone = loose+rows, gone+without
		for _, size := range []int64{3, besideRows} {
			rs, g, err := l.beside(ctx, s, m, cutoff, size)
			must(t, err)
			var sum RowRange
			for _, r := range rs {
				sum.Rows, sum.Last = sum.Rows+r.Rows, r.Last
			}
			if sum.Rows != rows || sum.Last != last || g != without {
				t.Errorf("%s, %d at a time: %d rows up to %d, %d without an instance; want %d, %d, %d", m.table.Name, size, sum.Rows, sum.Last, g, rows, last, without)
			}
		}
	}
	if loose < 5 || gone < 6 {
		t.Errorf("%d rows, %d without an instance: the test looks at nothing", loose, gone)
	}
}
