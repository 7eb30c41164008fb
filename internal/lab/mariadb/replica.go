package mariadb

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// StartReplica starts a server in dir that replicates from s, which it copies
// first. Through is the port on loopback of a link to s, or zero for s itself.
func (s *Server) StartReplica(dir string, through int, lines ...string) (*Server, error) {
	r, err := Start(dir, "127.0.0.1", 0, append([]string{"read_only=ON"}, lines...)...)
	if err != nil {
		return nil, err
	}
	if through == 0 {
		through = s.Port
	}
	// first, for naming a host forgets the position, which the dump then sets
	err = r.Exec(fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='nova', MASTER_PASSWORD='nova', MASTER_CONNECT_RETRY=1", through))
	if err != nil {
		return r, err
	}
	dump := filepath.Join(dir, "dump.sql")
	defer os.Remove(dump)
	// --master-data=1 leaves CHANGE MASTER TO with the right position in the dump.
	script := fmt.Sprintf("set -e; mariadb-dump --no-defaults -uroot -S '%s' --single-transaction --master-data=1 --databases %s >'%s'; "+
		"mariadb --no-defaults -uroot -S '%s' <'%s'", s.Socket(), strings.Join([]string{API, Cell0, Cell1, Cell2}, " "), dump, r.Socket(), dump)
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		return r, fmt.Errorf("copying to the replica: %w: %s", err, out)
	}
	if err := r.Exec("START SLAVE"); err != nil {
		return r, err
	}
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		out, err := exec.Command("mariadb", "--no-defaults", "-uroot", "-S", r.Socket(), "-e", "SHOW SLAVE STATUS\\G").Output()
		if err == nil && strings.Contains(string(out), "Slave_IO_Running: Yes") && strings.Contains(string(out), "Slave_SQL_Running: Yes") {
			return r, nil
		}
		if time.Now().After(end) {
			return r, fmt.Errorf("the replica does not come up: %s", out)
		}
	}
}
