package dbarchive

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// apiTables hold the rows of the API database that nova-manage deletes with
// their instance. The first says which cell an instance is in.
var apiTables = [...]string{"instance_mappings", "request_specs", "instance_group_member"}

// An apiRow is a row of the API database, in the form in which it is saved in
// the cell.
type apiRow struct {
	table string
	id    int64
	uuid  string
	cell  string // of a mapping
	body  []byte
}

// An apiSide is a session on the API database.
type apiSide struct {
	s      *session
	schema *Schema
	cellID string // of the cell that is archived
}

// errNoMapping says that the cell is not in the API database's cell_mappings.
var errNoMapping = errors.New("dbarchive: the API database does not map this cell")

func openAPI(ctx context.Context, db *sql.DB, cellUUID string) (*apiSide, error) {
	s, err := open(ctx, db)
	if err != nil {
		return nil, err
	}
	a := &apiSide{s: s}
	if a.schema, err = s.describeAs(ctx, s.schema, apiTables[:]...); err == nil {
		err = s.row(ctx, "SELECT id FROM cell_mappings WHERE uuid=?", []any{cellUUID}, &a.cellID)
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("%w: %s", errNoMapping, cellUUID)
	}
	if err != nil {
		s.drop()
		return nil, err
	}
	return a, nil
}

// lock reads, in a transaction that stays open, the API rows of instances
// that are mapped to this cell. Rows of an instance that another cell has by
// now, or that is being built, are not ours.
func (a *apiSide) lock(ctx context.Context, uuids string) ([]apiRow, error) {
	if err := a.s.begin(ctx); err != nil {
		return nil, err
	}
	mappings, err := a.read(ctx, apiTables[0], "instance_uuid", uuids, " AND t.cell_id="+a.cellID)
	if err != nil || len(mappings) == 0 {
		return nil, err
	}
	ours := list(mappings, func(r apiRow) string { return "'" + r.uuid + "'" }, ",")
	rows := mappings
	for _, t := range apiTables[1:] {
		more, err := a.read(ctx, t, "instance_uuid", ours, "")
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// read locks and reads the rows of one table whose column has one of the
// values, by an index that is named: a scan would wait for the rows of others.
func (a *apiSide) read(ctx context.Context, table, column, values, and string) ([]apiRow, error) {
	t := a.schema.Tables[table]
	if t == nil || t.key() != "id" || t.Indexes[column] == "" {
		return nil, fmt.Errorf("dbarchive: the API database has no table %s with the key id and an index on %s", table, column)
	}
	q := fmt.Sprintf("SELECT %s FROM %s AS t FORCE INDEX (%s) WHERE t.%s IN (%s)%s FOR UPDATE",
		exactColumns(t, "t"), qualified(a.schema.Database, table), quote(t.Indexes[column]), quote(column), values, and)
	var out []apiRow
	in := newRowReader(t)
	err := a.s.query(ctx, func(r *sql.Rows) error {
		err := r.Scan(in.dst...)
		if err != nil {
			return err
		}
		row := apiRow{table: table, uuid: string(in.value("instance_uuid")), cell: string(in.value("cell_id"))}
		if !uuidForm.MatchString(row.uuid) {
			return fmt.Errorf("dbarchive: %s names an instance %q", table, row.uuid)
		}
		if row.id, err = strconv.ParseInt(string(in.value("id")), 10, 64); err != nil {
			return err
		}
		row.body, err = in.json()
		out = append(out, row)
		return err
	}, q)
	return out, err
}

// scanText reads a row that was selected by exactColumns.
func scanText(r *sql.Rows, t *Table) (rowText, error) {
	cols := t.stored()
	vals := make([][]byte, len(cols))
	dst := make([]any, len(cols))
	for i := range vals {
		dst[i] = &vals[i]
	}
	if err := r.Scan(dst...); err != nil {
		return nil, err
	}
	text := make(rowText, len(cols))
	for i, c := range cols {
		text[c.Name] = cellText{vals[i]}
	}
	return text, nil
}

// clear deletes rows by their ids and commits. The ids are a table that is
// joined: given as a list, the server looks at all rows of a table that it takes
// for small, and waits for every one that somebody holds, in a deadlock if that
// is another archiver's.
func (a *apiSide) clear(ctx context.Context, rows []apiRow) error {
	for _, table := range apiTables {
		of := slices.DeleteFunc(slices.Clone(rows), func(r apiRow) bool { return r.table != table })
		for some := range slices.Chunk(of, clearBatch) {
			ids := list(some, func(r apiRow) string { return "SELECT " + strconv.FormatInt(r.id, 10) + " AS id" }, " UNION ALL ")
			q := fmt.Sprintf("DELETE t FROM (%s) AS l STRAIGHT_JOIN %s AS t FORCE INDEX (PRIMARY) ON t.id=l.id", ids, qualified(a.schema.Database, table))
			if err := a.s.exec0(ctx, q); err != nil {
				return err
			}
		}
	}
	return a.s.commit(ctx)
}

// clearBatch is how many rows of the API database one statement deletes.
const clearBatch = 100

// put inserts a saved row unless it is there already. A row of the same key
// with other content is an error: it is not overwritten.
func (a *apiSide) put(ctx context.Context, r apiRow) error {
	var text rowText
	if err := json.Unmarshal(r.body, &text); err != nil {
		return fmt.Errorf("dbarchive: saved row %d of %s: %w", r.id, r.table, err)
	}
	there, err := a.read(ctx, r.table, "id", strconv.FormatInt(r.id, 10), "")
	if err != nil {
		return err
	}
	if len(there) == 1 {
		if !bytes.Equal(there[0].body, r.body) {
			return fmt.Errorf("dbarchive: %s has another row with id %d: restore refuses to overwrite it", r.table, r.id)
		}
		return nil
	}
	t := a.schema.Tables[r.table]
	var args []any
	for _, c := range t.stored() {
		v, ok := text[c.Name]
		if !ok {
			return fmt.Errorf("dbarchive: the saved row of %s lacks %s, which the table has now", r.table, c.Name)
		}
		args = append(args, v.arg())
	}
	if len(text) != len(args) {
		return fmt.Errorf("dbarchive: the saved row of %s has columns that the table lacks now", r.table)
	}
	_, err = a.s.exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) VALUES %s", qualified(a.schema.Database, r.table), columns(t, ""), placeholders(1, len(args))), args...)
	return err
}
