package dbarchive

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// note notes, in the transaction that archives trees, whose API rows are to be
// cleared after it. It returns the name of the note; without rows there is none.
func (s *session) note(ctx context.Context, schema string, first int64, rows []apiRow) (string, error) {
	if len(rows) == 0 {
		return "", nil
	}
	var names []string
	for _, r := range rows {
		names = append(names, r.uuid)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	name := fmt.Sprintf("open %d", first)
	err := s.exec0(ctx, fmt.Sprintf("REPLACE INTO %s (instance_uuid,tbl,row_id,instance_id,state,saved_at,body) VALUES ('%s','%s',%d,%d,%d,UTC_TIMESTAMP(6),X'%x')",
		qualified(schema, apiRowsTable), name, openTable, len(rows), first, apiToClear, newPacker().pack([]byte(strings.Join(names, "\n")))))
	if err != nil {
		return "", fmt.Errorf("dbarchive: noting API rows to be cleared: %w", err)
	}
	return name, nil
}

// forget deletes a note.
func (s *session) forget(ctx context.Context, schema, name string) error {
	err := s.exec0(ctx, fmt.Sprintf("DELETE FROM %s WHERE instance_uuid=? AND tbl='%s'", qualified(schema, apiRowsTable), openTable), name)
	if err != nil {
		return fmt.Errorf("dbarchive: noting cleared API rows: %w", err)
	}
	return nil
}

// noted reads a note, if there is one, and the instances that it names.
func (s *session) noted(ctx context.Context, schema string) (name string, uuids []string, err error) {
	var body []byte
	err = s.row(ctx, fmt.Sprintf("SELECT instance_uuid, body FROM %s FORCE INDEX (state_instance) WHERE state=%d AND tbl='%s' LIMIT 1",
		qualified(schema, apiRowsTable), apiToClear, openTable), nil, &name, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil, nil
	}
	if err == nil {
		body, err = unpack(body)
	}
	if err != nil {
		return "", nil, err
	}
	for line := range bytes.SplitSeq(body, []byte{'\n'}) {
		if !uuidForm.Match(line) {
			return "", nil, fmt.Errorf("dbarchive: %s names an instance %q", apiRowsTable, line)
		}
		uuids = append(uuids, "'"+string(line)+"'")
	}
	return name, uuids, nil
}

// clearNoted clears the API rows of the notes that were left. Rows of an
// instance that was restored since are not saved any more: they stay.
func clearNoted(ctx context.Context, s *session, schema string, a *apiSide) error {
	for {
		name, uuids, err := s.noted(ctx, schema)
		if err != nil || name == "" {
			return err
		}
		for some := range slices.Chunk(uuids, healBatch) {
			in := strings.Join(some, ",")
			rows, err := s.savedOf(ctx, schema, in, apiCleared)
			if err != nil {
				return err
			}
			if err := clearSaved(ctx, s, schema, a, rows, in); err != nil {
				return err
			}
		}
		if err := s.forget(ctx, schema, name); err != nil {
			return err
		}
	}
}

// settled refuses while saved rows are the only sign of API rows that are still
// to be cleared.
func (s *session) settled(ctx context.Context, schema string) error {
	name, _, err := s.noted(ctx, schema)
	if err == nil && name != "" {
		err = fmt.Errorf("%w: dbarchive: API rows of archived instances wait for an interrupted run to be completed: archive again first", stackmend.ErrRefused)
	}
	return err
}
