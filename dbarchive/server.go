package dbarchive

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// pairs reads the rows of SHOW VARIABLES and SHOW STATUS, names in lower case.
func (s *session) pairs(ctx context.Context, q string) (map[string]string, error) {
	m := map[string]string{}
	err := s.query(ctx, func(r *sql.Rows) error {
		var k, v string
		if err := r.Scan(&k, &v); err != nil {
			return err
		}
		m[strings.ToLower(k)] = v
		return nil
	}, q)
	return m, err
}

func on(v string) bool { return v == "ON" || v == "1" }

func number(v string) int64 { n, _ := strconv.ParseInt(v, 10, 64); return n }

// server reads what the server says about itself. What the account may not
// see is returned as unseen.
func (s *session) server(ctx context.Context) (srv Server, unseen []string, err error) {
	v, err := s.pairs(ctx, "SHOW GLOBAL VARIABLES")
	if err != nil {
		return srv, nil, err
	}
	st, err := s.pairs(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep\\_%'")
	if err != nil {
		return srv, nil, err
	}
	srv = Server{
		Version: v["version"], Flavour: "mysql", Hostname: s.host, Port: s.port,
		ReadOnly:         on(v["read_only"]) || on(v["super_read_only"]) || on(v["innodb_read_only"]),
		ForeignKeyChecks: on(v["foreign_key_checks"]),
		MaxAllowedPacket: number(v["max_allowed_packet"]),
		Galera:           on(v["wsrep_on"]),
		GaleraState:      st["wsrep_local_state_comment"], GaleraStatus: st["wsrep_cluster_status"],
		MaxWSRows: number(v["wsrep_max_ws_rows"]), MaxWSSize: number(v["wsrep_max_ws_size"]),
	}
	if s.maria {
		srv.Flavour = "mariadb"
	}
	if on(v["log_bin"]) || srv.Galera {
		srv.BinlogFormat = v["binlog_format"]
	}
	srv.Identity = identity(srv, v, st)
	if srv.Replica, err = s.source(ctx); err != nil {
		unseen = append(unseen, fmt.Sprintf("whether the server is a replica: %v", err))
	}
	srv.Now, err = s.now(ctx)
	return srv, unseen, err
}

// identity names the data, not the node: behind a virtual address another node
// of the same cluster answers next time.
func identity(srv Server, v, st map[string]string) string {
	if srv.Galera {
		return "galera " + st["wsrep_cluster_state_uuid"]
	}
	for _, k := range []string{"server_uuid", "server_uid"} { // MySQL, MariaDB 10.11
		if v[k] != "" {
			return k + " " + v[k]
		}
	}
	return "server_id " + v["server_id"] + " on " + srv.Hostname
}

func (s *session) now(ctx context.Context) (time.Time, error) {
	var us int64
	err := s.row(ctx, "SELECT CAST(UNIX_TIMESTAMP(NOW(6))*1000000 AS SIGNED)", nil, &us)
	return time.UnixMicro(us).UTC(), err
}

// source says what the server replicates from.
func (s *session) source(ctx context.Context) (string, error) {
	rows, err := s.replication(ctx)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	r := rows[0]
	return first(r, "source_host", "master_host") + ":" + first(r, "source_port", "master_port"), nil
}

func first(m map[string]string, keys ...string) string {
	for _, k := range keys {
		if v, ok := m[k]; ok {
			return v
		}
	}
	return ""
}

// replication reads the state of every replication channel, by the column
// names of whatever the server calls it, in lower case. A NULL is absent.
func (s *session) replication(ctx context.Context) ([]map[string]string, error) {
	q := "SHOW REPLICA STATUS" // MySQL 8.0.22 and newer
	if s.maria {
		q = "SHOW ALL SLAVES STATUS"
	}
	rows, err := s.table(ctx, q)
	if err != nil && !s.maria {
		rows, err = s.table(ctx, "SHOW SLAVE STATUS")
	}
	return rows, err
}

// table reads rows whose columns are known by name only.
func (s *session) table(ctx context.Context, q string, args ...any) ([]map[string]string, error) {
	var out []map[string]string
	err := s.query(ctx, func(r *sql.Rows) error {
		names, err := r.Columns()
		if err != nil {
			return err
		}
		vals := make([]sql.NullString, len(names))
		dst := make([]any, len(names))
		for i := range vals {
			dst[i] = &vals[i]
		}
		if err := r.Scan(dst...); err != nil {
			return err
		}
		m := map[string]string{}
		for i, n := range names {
			if vals[i].Valid {
				m[strings.ToLower(n)] = vals[i].String
			}
		}
		out = append(out, m)
		return nil
	}, q, args...)
	return out, err
}

// describe reads the schema of the session's database.
func (s *session) describe(ctx context.Context) (*Schema, error) {
	return s.describeAs(ctx, s.schema)
}

// describeAs reads the schema of a database: of all tables, or of those given
// by names of this package.
func (s *session) describeAs(ctx context.Context, database string, tables ...string) (*Schema, error) {
	sc, and := &Schema{Database: database, Tables: map[string]*Table{}}, ""
	if len(tables) > 0 {
		and = " AND table_name IN ('" + strings.Join(tables, "','") + "')"
	}
	for _, f := range []func(context.Context, *Schema, string) error{s.readTables, s.readColumns, s.readIndexes, s.readKeys} {
		if err := f(ctx, sc, and); err != nil {
			return nil, fmt.Errorf("dbarchive: schema of %s: %w", database, err)
		}
	}
	if sc.Tables["alembic_version"] != nil {
		if err := s.row(ctx, "SELECT IFNULL(MAX(version_num),'') FROM "+qualified(database, "alembic_version"), nil, &sc.Revision); err != nil {
			return nil, fmt.Errorf("dbarchive: revision of %s: %w", database, err)
		}
	}
	return sc, nil
}

func (s *session) readTables(ctx context.Context, sc *Schema, and string) error {
	return s.query(ctx, func(r *sql.Rows) error {
		t := &Table{Indexes: map[string]string{}}
		if err := r.Scan(&t.Name, &t.Engine, &t.Rows, &t.Bytes); err != nil {
			return err
		}
		sc.Tables[t.Name] = t
		return nil
	}, `SELECT table_name, IFNULL(engine,''), IFNULL(table_rows,0), IFNULL(data_length,0)+IFNULL(index_length,0)
		FROM information_schema.tables WHERE table_schema=? AND table_type='BASE TABLE'`+and, sc.Database)
}

func (s *session) readColumns(ctx context.Context, sc *Schema, and string) error {
	return s.query(ctx, func(r *sql.Rows) error {
		var table, extra, nullable string
		var c Column
		if err := r.Scan(&table, &c.Name, &c.Type, &c.DataType, &c.Charset, &nullable, &extra); err != nil {
			return err
		}
		c.Nullable = nullable == "YES"
		c.Generated = strings.Contains(strings.ToUpper(extra), "GENERATED") && !strings.Contains(strings.ToUpper(extra), "DEFAULT_GENERATED")
		if t := sc.Tables[table]; t != nil {
			t.Columns = append(t.Columns, c)
		}
		return nil
	}, `SELECT table_name, column_name, column_type, data_type, IFNULL(character_set_name,''), is_nullable, extra
		FROM information_schema.columns WHERE table_schema=?`+and+` ORDER BY table_name, ordinal_position`, sc.Database)
}

func (s *session) readIndexes(ctx context.Context, sc *Schema, and string) error {
	return s.query(ctx, func(r *sql.Rows) error {
		var table, index, column string
		var seq int
		if err := r.Scan(&table, &index, &column, &seq); err != nil {
			return err
		}
		t := sc.Tables[table]
		if t == nil {
			return nil
		}
		if index == "PRIMARY" {
			t.PrimaryKey = append(t.PrimaryKey, column)
		}
		if seq == 1 && t.Indexes[column] == "" {
			t.Indexes[column] = index
		}
		return nil
	}, `SELECT table_name, index_name, column_name, seq_in_index FROM information_schema.statistics
		WHERE table_schema=?`+and+` ORDER BY table_name, index_name='PRIMARY' DESC, non_unique, index_name, seq_in_index`, sc.Database)
}

func (s *session) readKeys(ctx context.Context, sc *Schema, and string) error {
	return s.query(ctx, func(r *sql.Rows) error {
		var k ForeignKey
		if err := r.Scan(&k.Name, &k.Table, &k.Column, &k.RefTable, &k.RefColumn); err != nil {
			return err
		}
		sc.Keys = append(sc.Keys, k)
		return nil
	}, `SELECT constraint_name, table_name, column_name, referenced_table_name, referenced_column_name
		FROM information_schema.key_column_usage WHERE table_schema=? AND referenced_table_name IS NOT NULL`+and+`
		ORDER BY table_name, constraint_name, ordinal_position`, sc.Database)
}
