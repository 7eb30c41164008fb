package dbarchive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// DSN turns a database URL as nova.conf and cell_mappings have it
// (mysql+pymysql://user:password@host:port/nova?charset=utf8) into what
// sql.Open("mysql", ...) takes. The errors never hold the URL, which has a
// password in it.
func DSN(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("dbarchive: the database URL cannot be parsed")
	}
	if dialect, _, _ := strings.Cut(u.Scheme, "+"); dialect != "mysql" && dialect != "mariadb" {
		return "", fmt.Errorf("dbarchive: the database URL is of %q, not of mysql", u.Scheme)
	}
	name := strings.TrimPrefix(u.Path, "/")
	if u.Hostname() == "" && u.Query().Get("unix_socket") == "" || name == "" {
		return "", errors.New("dbarchive: the database URL lacks a host or a database")
	}
	c := mysql.NewConfig()
	c.User, c.DBName, c.Net = u.User.Username(), name, "tcp"
	c.Passwd, _ = u.User.Password()
	c.Addr = net.JoinHostPort(u.Hostname(), portOf(u))
	if s := u.Query().Get("unix_socket"); s != "" {
		c.Net, c.Addr = "unix", s
	}
	if q := u.Query(); q.Has("ssl_ca") || q.Has("ssl_cert") || q.Has("ssl") {
		return "", errors.New("dbarchive: the database URL asks for TLS by files: open the connection yourself and hand it in")
	}
	return c.FormatDSN(), nil
}

func portOf(u *url.URL) string {
	if u.Port() == "" {
		return "3306"
	}
	return u.Port()
}

// A CellMapping is how the API database says a cell is reached.
type CellMapping struct {
	Name, UUID string
	URL        string // with a password; never print it
	Disabled   bool
}

// ReadCells reads the cells from cell_mappings. A URL may be a template
// ("{scheme}://{username}:{password}@{hostname}/nova_cell1"), which nova fills
// from its own [database] connection: that is main.
// https://docs.openstack.org/nova/latest/admin/cells.html#template-urls-in-cell-mappings
func ReadCells(ctx context.Context, api *sql.DB, main string) ([]CellMapping, error) {
	rows, err := api.QueryContext(ctx, "SELECT IFNULL(name,uuid), uuid, IFNULL(database_connection,''), IFNULL(disabled,0) FROM cell_mappings ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("dbarchive: reading cell_mappings: %w", err)
	}
	defer rows.Close()
	var cells []CellMapping
	for rows.Next() {
		var c CellMapping
		if err := rows.Scan(&c.Name, &c.UUID, &c.URL, &c.Disabled); err != nil {
			return nil, err
		}
		if c.URL, err = fill(c.URL, main); err != nil {
			return nil, fmt.Errorf("dbarchive: cell %s: %w", c.Name, err)
		}
		cells = append(cells, c)
	}
	return cells, rows.Err()
}

// fill fills a template from a URL.
func fill(template, from string) (string, error) {
	if !strings.ContainsAny(template, "{}") {
		return template, nil
	}
	u, err := url.Parse(from)
	if err != nil || from == "" {
		return "", errors.New("its URL is a template, and there is no [database] connection to fill it from")
	}
	password := ""
	if _, after, ok := strings.Cut(u.User.String(), ":"); ok {
		password = after
	}
	user, _, _ := strings.Cut(u.User.String(), ":")
	out := strings.NewReplacer("{scheme}", u.Scheme, "{username}", user, "{password}", password, "{hostname}", u.Hostname(),
		"{port}", u.Port(), "{path}", strings.TrimPrefix(u.Path, "/"), "{query}", u.RawQuery, "{fragment}", u.Fragment).Replace(template)
	if strings.ContainsAny(out, "{}") {
		return "", errors.New("its URL is a template with a name that nova does not have")
	}
	return out, nil
}
