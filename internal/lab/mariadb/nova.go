package mariadb

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The databases of StartNova. The cell mapped as cell1 is in "nova", as nova's
// own documents have it.
const (
	API   = "nova_api"
	Cell0 = "nova_cell0"
	Cell1 = "nova"
	Cell2 = "nova_cell2"
)

// Programs are what StartNova needs.
func Programs() []string {
	return []string{"mariadbd", "mariadb", "mariadb-install-db", "mariadb-dump", "nova-manage"}
}

// StartNova starts a server in dir that has nova's real schema and empty cells.
func StartNova(dir string, lines ...string) (*Server, error) {
	return StartNovaNode(Node{Dir: dir, Addr: "127.0.0.1", Lines: lines})
}

// StartNovaNode is StartNova for any node.
func StartNovaNode(n Node) (*Server, error) {
	pristine, err := pristine()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(n.Dir, 0o755); err != nil {
		return nil, err
	}
	if out, err := exec.Command("cp", "-a", pristine, filepath.Join(n.Dir, "data")).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copying the schema: %w: %s", err, out)
	}
	s, err := StartNode(n)
	if err != nil {
		return s, err
	}
	return s, s.mapCells()
}

// mapCells writes where the cells are now into the API database: the port is
// another one for every server.
func (s *Server) mapCells() error {
	var q strings.Builder
	for cell, db := range map[string]string{"cell0": Cell0, "cell1": Cell1, "cell2": Cell2} {
		fmt.Fprintf(&q, "UPDATE %s.cell_mappings SET database_connection='%s' WHERE name='%s';", API, s.URL(db), cell)
	}
	return s.Exec(q.String())
}

// pristine returns a data directory with the schema, and makes it if no run on
// this host has done so with the same versions.
func pristine() (string, error) {
	version, err := exec.Command("sh", "-c", "mariadbd --no-defaults --version; nova-manage --version 2>&1").Output()
	if err != nil {
		return "", fmt.Errorf("versions of mariadbd and nova-manage: %w", err)
	}
	cache, err := os.UserCacheDir() // it stays for the next run, as what the go tool builds does
	if err != nil {
		return "", err
	}
	base := filepath.Join(cache, "stackmend-lab", fmt.Sprintf("mariadb-%.12x", sha256.Sum256(version)))
	if err := os.MkdirAll(base, 0o700); err != nil {
		return "", err
	}
	unlock, err := flock(filepath.Join(base, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	ready := filepath.Join(base, "ready")
	if _, err := os.Stat(ready); err == nil {
		return ready, nil
	}
	work, err := os.MkdirTemp(base, "w")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := synchronise(work); err != nil {
		return "", err
	}
	return ready, os.Rename(filepath.Join(work, "data"), ready)
}

// synchronise lets nova-manage make the API database and one cell, and copies
// that cell to the others.
func synchronise(dir string) error {
	s, err := Start(dir, "127.0.0.1", 0)
	if err != nil {
		return err
	}
	err = errors.Join(s.novaSchema(), s.Exec("SET GLOBAL innodb_fast_shutdown=0"), s.Stop())
	if err != nil {
		return fmt.Errorf("%w\n%s", err, s.Log())
	}
	return os.RemoveAll(filepath.Join(s.data(), "ib_buffer_pool"))
}

func (s *Server) novaSchema() error {
	for _, db := range []string{API, Cell0, Cell1, Cell2} {
		if err := s.Exec("CREATE DATABASE " + db + " CHARACTER SET utf8"); err != nil {
			return err
		}
	}
	conf := filepath.Join(s.Dir, "nova.conf")
	text := fmt.Sprintf("[DEFAULT]\nlog_dir=%s\nstate_path=%s\ntransport_url=fake://\n[database]\nconnection=%s\n[api_database]\nconnection=%s\n",
		s.Dir, s.Dir, s.URL(Cell1), s.URL(API))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	for _, args := range []string{"api_db sync", "cell_v2 map_cell0", "db sync --local_cell",
		"cell_v2 create_cell --name cell1", "cell_v2 create_cell --name cell2 --transport-url fake://two --database_connection " + s.URL(Cell2)} {
		c := exec.Command("nova-manage", append([]string{"--config-file", conf}, strings.Fields(args)...)...)
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("nova-manage %s: %w\n%s", args, err, out)
		}
	}
	for _, db := range []string{Cell0, Cell2} {
		if err := s.CopyDatabase(Cell1, db); err != nil {
			return err
		}
	}
	return nil
}

// CopyDatabase copies all of a database into another one, which is made if
// need be.
func (s *Server) CopyDatabase(from, to string) error {
	script := fmt.Sprintf("set -e; mariadb --no-defaults -uroot -S '%[1]s' -e 'CREATE DATABASE IF NOT EXISTS %[3]s CHARACTER SET utf8'; "+
		"mariadb-dump --no-defaults -uroot -S '%[1]s' --single-transaction %[2]s | mariadb --no-defaults -uroot -S '%[1]s' %[3]s", s.Socket(), from, to)
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		return fmt.Errorf("copying %s to %s: %w: %s", from, to, err, out)
	}
	return nil
}
