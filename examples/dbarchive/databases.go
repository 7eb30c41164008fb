package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/stackmend/stackmend/dbarchive"
	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/internal/oslo"
)

// databases are the connections of one nova, and where the cells are.
type databases struct {
	all  dbarchive.Databases
	dsns map[string]string
}

// connect opens the API database and all cells, once.
func (t *tool) connect(ctx context.Context) error {
	if t.db != nil {
		return nil
	}
	api, main, err := t.urls()
	if err != nil {
		return err
	}
	d := &databases{dsns: map[string]string{}}
	if d.all.API, _, err = openURL(api); err != nil {
		return fmt.Errorf("API database: %w", err)
	}
	cells, err := dbarchive.ReadCells(ctx, d.all.API, main)
	if err != nil {
		return err
	}
	for _, c := range cells {
		url := c.URL
		if over := t.getenv("STACKMEND_NOVA_CELL_" + strings.ToUpper(c.Name)); over != "" {
			url = over
		}
		cell := dbarchive.Cell{Name: c.Name, UUID: c.UUID}
		cell.DB, d.dsns[c.Name], cell.Err = openURL(url)
		if url := t.getenv("STACKMEND_NOVA_ARCHIVE_" + strings.ToUpper(c.Name)); url != "" {
			if cell.Archive, _, err = openURL(url); err != nil {
				return fmt.Errorf("archive server of cell %s: %w", c.Name, err)
			}
		}
		d.all.Cells = append(d.all.Cells, cell)
	}
	t.db = d
	return nil
}

// urls are those of the API database and of nova's own.
func (t *tool) urls() (api, main string, err error) {
	if t.novaConf == "" {
		if api = t.getenv("STACKMEND_NOVA_API"); api == "" {
			return "", "", cli.Usage("-nova-conf or STACKMEND_NOVA_API is needed: where are the databases?")
		}
		return api, t.getenv("STACKMEND_NOVA_MAIN"), nil
	}
	conf, err := oslo.Read(os.DirFS("/"), strings.TrimPrefix(t.novaConf, "/"))
	if err != nil {
		return "", "", err
	}
	api, found, err := conf.Get(oslo.Option{Group: "api_database", Name: "connection"})
	if err != nil || !found {
		return "", "", fmt.Errorf("%s: [api_database] connection: found %v: %w", t.novaConf, found, err)
	}
	main, _, err = conf.Get(oslo.Option{Group: "database", Name: "connection"})
	return api, main, err
}

func openURL(url string) (*sql.DB, string, error) {
	dsn, err := dbarchive.DSN(url)
	if err != nil {
		return nil, "", err
	}
	db, err := sql.Open("mysql", dsn)
	return db, dsn, err
}

// replica opens the replica of a cell, with the cell's account.
func (d *databases) replica(cell, addr string) (c dbarchive.Cell, replica *sql.DB, err error) {
	for _, c = range d.all.Cells {
		if c.Name != cell || c.DB == nil {
			continue
		}
		conf, err := mysql.ParseDSN(d.dsns[cell])
		if err != nil {
			return c, nil, err
		}
		conf.Addr = addr
		replica, err = sql.Open("mysql", conf.FormatDSN())
		return c, replica, err
	}
	return c, nil, cli.Usage("-replica: there is no cell %q", cell)
}
