package dbarchive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// orphanPage is how many mappings are compared with their cells at a time.
const orphanPage = 1000

// read looks for API rows of instances that no cell has. It needs every cell:
// rows of an unreachable one would look like orphans, and deleting them hides
// live instances.
func (a *APIState) read(ctx context.Context, dbs Databases, cells []CellState) error {
	s, err := open(ctx, dbs.API)
	if err != nil {
		return err
	}
	defer s.drop()
	sc, err := s.describe(ctx)
	if err != nil {
		return err
	}
	a.Revision = sc.Revision
	for _, t := range append(apiTables[:], "cell_mappings", "build_requests") {
		if sc.Tables[t] == nil {
			return fmt.Errorf("database %s has no table %s: it is not nova's API database", sc.Database, t)
		}
	}
	err = s.row(ctx, "SELECT COUNT(*) FROM instance_mappings WHERE cell_id IS NULL", nil, &a.NullCell)
	if err != nil {
		return err
	}
	err = s.row(ctx, `SELECT (SELECT COUNT(*) FROM request_specs t LEFT JOIN instance_mappings m ON m.instance_uuid=t.instance_uuid WHERE m.id IS NULL)
		+(SELECT COUNT(*) FROM instance_group_member t LEFT JOIN instance_mappings m ON m.instance_uuid=t.instance_uuid WHERE m.id IS NULL)`, nil, &a.Unmapped)
	if err != nil {
		return err
	}
	missing, err := s.unanswered(ctx, cells)
	if err != nil || missing != "" {
		a.Unchecked = missing
		return err
	}
	for _, c := range dbs.Cells {
		if err := a.orphansOf(ctx, s, c); err != nil {
			return fmt.Errorf("orphans of cell %s: %w", c.Name, err)
		}
	}
	return nil
}

// unanswered says which mapped cell did not answer.
func (s *session) unanswered(ctx context.Context, cells []CellState) (string, error) {
	read := map[string]string{}
	for _, c := range cells {
		read[c.UUID] = c.Err
	}
	var missing []string
	err := s.query(ctx, func(r *sql.Rows) error {
		var uuid, name string
		if err := r.Scan(&uuid, &name); err != nil {
			return err
		}
		if e, ok := read[uuid]; !ok {
			missing = append(missing, fmt.Sprintf("cell %s (%s) was not handed in", name, uuid))
		} else if e != "" {
			missing = append(missing, fmt.Sprintf("cell %s did not answer: %s", name, e))
		}
		return nil
	}, "SELECT uuid, IFNULL(name,'') FROM cell_mappings ORDER BY id")
	return strings.Join(missing, "; "), err
}

// orphansOf compares the mappings of one cell with it, page by page.
func (a *APIState) orphansOf(ctx context.Context, s *session, c Cell) error {
	cs, err := open(ctx, c.DB)
	if err != nil {
		return err
	}
	defer cs.drop()
	var id int64
	err = s.row(ctx, "SELECT id FROM cell_mappings WHERE uuid=?", []any{c.UUID}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: %s", errNoMapping, c.UUID)
	}
	if err != nil {
		return err
	}
	for after := int64(0); ; {
		ms, err := s.mappings(ctx, id, after, orphanPage)
		if err != nil || len(ms) == 0 {
			return err
		}
		after = ms[len(ms)-1].id
		if err := a.compare(ctx, cs, ms); err != nil {
			return err
		}
	}
}

// A mapping is a row of instance_mappings whose build has ended.
type mapping struct {
	id   int64
	uuid string
}

// mappings reads the next mappings of a cell that have no build request. The
// walk is along the primary key, bounded by what it examines.
func (s *session) mappings(ctx context.Context, cell, after int64, limit int) ([]mapping, error) {
	var ms []mapping
	err := s.query(ctx, func(r *sql.Rows) error {
		var m mapping
		err := r.Scan(&m.id, &m.uuid)
		if err == nil && !uuidForm.MatchString(m.uuid) {
			err = fmt.Errorf("mapping %d names an instance %q", m.id, m.uuid)
		}
		ms = append(ms, m)
		return err
	}, fmt.Sprintf(`SELECT t.id, t.instance_uuid FROM instance_mappings AS t FORCE INDEX (PRIMARY)
		WHERE t.id>%d AND t.cell_id=%d AND NOT EXISTS (SELECT 1 FROM build_requests b WHERE b.instance_uuid=t.instance_uuid)
		ORDER BY t.id LIMIT %d`, after, cell, limit))
	return ms, err
}

// compare asks the cell which of the mapped instances it has.
func (a *APIState) compare(ctx context.Context, cell *session, ms []mapping) error {
	have := map[string]bool{}
	err := cell.query(ctx, func(r *sql.Rows) error {
		var u string
		err := r.Scan(&u)
		have[strings.ToLower(u)] = true
		return err
	}, "SELECT uuid FROM instances WHERE uuid IN ("+names(ms)+")")
	if err != nil {
		return err
	}
	var gone []mapping
	for _, m := range ms {
		if !have[strings.ToLower(m.uuid)] {
			gone = append(gone, m)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	shadowed, err := cell.shadowed(ctx, gone)
	if err != nil {
		return err
	}
	for _, m := range gone {
		if shadowed[strings.ToLower(m.uuid)] {
			a.Shadowed++
			continue
		}
		a.Orphans++
		if len(a.Examples) < keptExamples {
			a.Examples = append(a.Examples, m.uuid)
		}
	}
	return nil
}

// shadowed asks the shadow table, which has no index on uuid: one scan,
// without locks, for all of them.
func (s *session) shadowed(ctx context.Context, ms []mapping) (map[string]bool, error) {
	have := map[string]bool{}
	err := s.query(ctx, func(r *sql.Rows) error {
		var u string
		err := r.Scan(&u)
		have[strings.ToLower(u)] = true
		return err
	}, "SELECT uuid FROM "+shadowPrefix+instances+" WHERE uuid IN ("+names(ms)+")")
	return have, err
}

func names(ms []mapping) string {
	return list(ms, func(m mapping) string { return "'" + m.uuid + "'" }, ",")
}
