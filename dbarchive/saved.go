package dbarchive

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// savedBytes is how long a statement that saves API rows gets, give or take a
// row: far below the smallest max_allowed_packet that servers come with.
const savedBytes = 256 << 10

// save writes API rows into the cell, within the transaction that archives
// their trees. A row that was saved before is replaced: it was restored since.
// The bodies go as hexadecimal digits: they never become SQL, and need no
// statement prepared for so many of them.
func (s *session) save(ctx context.Context, schema string, rows []apiRow, ids map[string]int64, state int) error {
	head := s.token + "REPLACE INTO " + qualified(schema, apiRowsTable) + " (instance_uuid,tbl,row_id,instance_id,state,saved_at,body) VALUES "
	var q strings.Builder
	var body []byte
	p := newPacker()
	for i, r := range rows {
		if q.Len() == 0 {
			q.Grow(savedBytes + savedBytes/8)
			q.WriteString(head)
		} else {
			q.WriteByte(',')
		}
		fmt.Fprintf(&q, "('%s','%s',%d,%d,%d,UTC_TIMESTAMP(6),X'", r.uuid, r.table, r.id, ids[strings.ToLower(r.uuid)], state)
		body = hex.AppendEncode(body[:0], p.pack(r.body))
		q.Write(body)
		q.WriteString("')")
		if q.Len() < savedBytes && i < len(rows)-1 {
			continue
		}
		if _, err := s.send(ctx, q.String()); err != nil {
			return fmt.Errorf("dbarchive: saving API rows: %w", err)
		}
		q.Reset()
	}
	return nil
}

// mark says what became of all saved rows of instances that are in a state.
func (s *session) mark(ctx context.Context, schema, uuids string, from, to int) error {
	return s.exec0(ctx, fmt.Sprintf("UPDATE %s FORCE INDEX (PRIMARY) SET state=%d WHERE instance_uuid IN (%s) AND state=%d",
		qualified(schema, apiRowsTable), to, uuids, from))
}

// healBatch is how many instances are healed in one transaction.
const healBatch = 50

// saved reads the rows of the next few instances that are in a state.
func (s *session) saved(ctx context.Context, schema string, state int) (rows []apiRow, uuids string, err error) {
	tab := qualified(schema, apiRowsTable)
	var names []string
	err = s.query(ctx, func(r *sql.Rows) error {
		var u string
		err := r.Scan(&u)
		if err == nil && !uuidForm.MatchString(u) {
			err = fmt.Errorf("dbarchive: %s names an instance %q", apiRowsTable, u)
		}
		names = append(names, "'"+u+"'")
		return err
	}, fmt.Sprintf("SELECT DISTINCT instance_uuid FROM %s FORCE INDEX (state_instance) WHERE state=%d AND tbl<>'%s' LIMIT %d", tab, state, openTable, healBatch))
	if err != nil || len(names) == 0 {
		return nil, "", err
	}
	uuids = strings.Join(names, ",")
	rows, err = s.savedOf(ctx, schema, uuids, state)
	return rows, uuids, err
}

// savedOf reads the rows of instances that are in a state.
func (s *session) savedOf(ctx context.Context, schema, uuids string, state int) (rows []apiRow, err error) {
	err = s.query(ctx, func(r *sql.Rows) error {
		var a apiRow
		err := r.Scan(&a.uuid, &a.table, &a.id, &a.body)
		if err == nil {
			a.body, err = unpack(a.body)
		}
		rows = append(rows, a)
		return err
	}, fmt.Sprintf("SELECT instance_uuid, tbl, row_id, body FROM %s WHERE instance_uuid IN (%s) AND state=%d",
		qualified(schema, apiRowsTable), uuids, state))
	return rows, err
}

// heal finishes what a run that was killed between the two databases left:
// API rows whose tree is archived are cleared, those whose tree was restored
// are put back. Every part can be done again, and is when somebody is in the way.
func heal(ctx context.Context, s *session, schema string, a *apiSide) error {
	return insist(ctx, func() error { return healOnce(ctx, s, schema, a) }, s, a.s)
}

func healOnce(ctx context.Context, s *session, schema string, a *apiSide) error {
	if err := clearNoted(ctx, s, schema, a); err != nil {
		return fmt.Errorf("dbarchive: completing an interrupted run: %w", err)
	}
	for _, h := range []struct {
		state int
		do    func(context.Context, *session, string, *apiSide, []apiRow, string) error
	}{{apiToClear, clearSaved}, {apiToPut, putSaved}} {
		for {
			rows, uuids, err := s.saved(ctx, schema, h.state)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				break
			}
			if err := h.do(ctx, s, schema, a, rows, uuids); err != nil {
				return fmt.Errorf("dbarchive: completing an interrupted run: %w", err)
			}
		}
	}
	return nil
}

// clearSaved deletes the API rows behind saved ones. What changed after it was
// saved is saved again first; what is another row by now stays.
func clearSaved(ctx context.Context, s *session, schema string, a *apiSide, rows []apiRow, uuids string) error {
	if err := a.s.begin(ctx); err != nil {
		return err
	}
	now, err := a.still(ctx, rows)
	if err != nil {
		return a.rollback(err)
	}
	var ours []apiRow
	for _, was := range rows {
		row, ok := now[apiKey{was.table, was.id}]
		if !ok || row.uuid != was.uuid || was.table == apiTables[0] && row.cell != a.cellID {
			continue
		}
		ours = append(ours, row)
		if bytes.Equal(was.body, row.body) {
			continue
		}
		if _, err := s.exec(ctx, "UPDATE "+qualified(schema, apiRowsTable)+" SET body=? WHERE instance_uuid=? AND tbl=? AND row_id=?",
			newPacker().pack(row.body), was.uuid, was.table, was.id); err != nil {
			return a.rollback(err)
		}
	}
	if err := a.clear(ctx, ours); err != nil {
		return a.rollback(err)
	}
	return s.mark(ctx, schema, uuids, apiToClear, apiCleared)
}

type apiKey struct {
	table string
	id    int64
}

// still locks and reads what is there now under the keys of saved rows.
func (a *apiSide) still(ctx context.Context, saved []apiRow) (map[apiKey]apiRow, error) {
	now := map[apiKey]apiRow{}
	for _, table := range apiTables {
		var ids []string
		for _, r := range saved {
			if r.table == table {
				ids = append(ids, strconv.FormatInt(r.id, 10))
			}
		}
		if len(ids) == 0 {
			continue
		}
		rows, err := a.read(ctx, table, "id", strings.Join(ids, ","), "")
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			now[apiKey{r.table, r.id}] = r
		}
	}
	return now, nil
}

// putSaved inserts the saved rows into the API database and forgets them.
func putSaved(ctx context.Context, s *session, schema string, a *apiSide, rows []apiRow, uuids string) error {
	if err := a.s.begin(ctx); err != nil {
		return err
	}
	for _, r := range rows {
		if err := a.put(ctx, r); err != nil {
			return a.rollback(err)
		}
	}
	if err := a.s.commit(ctx); err != nil {
		return a.rollback(err)
	}
	return s.exec0(ctx, fmt.Sprintf("DELETE FROM %s WHERE instance_uuid IN (%s) AND state=%d",
		qualified(schema, apiRowsTable), uuids, apiToPut))
}

func (a *apiSide) rollback(err error) error { return a.s.rollback(err) }

// rollback ends the transaction and returns why. It does not depend on the
// context that has perhaps just ended.
func (s *session) rollback(cause error) error {
	ctx, cancel := context.WithTimeout(context.Background(), killPatience)
	defer cancel()
	for _, q := range []string{"ROLLBACK", "SET SESSION autocommit=1"} {
		if _, err := s.conn.ExecContext(ctx, q); err != nil {
			s.broken = true // the server rolls back when it notices
			return cause
		}
	}
	return cause
}
