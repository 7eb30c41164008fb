// Package galera starts a real Galera cluster of three nodes on 127.0.0.1 to
// 127.0.0.3 for tests, with nova's schema.
//
// It needs the Debian packages galera-4 and rsync beside those of package mariadb.
// The state transfer by rsync does not work as root, so the nodes run as the
// user mysql then, and dir must be within that user's reach.
package galera

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

// Provider is where Debian's galera-4 has its library.
const Provider = "/usr/lib/galera/libgalera_smm.so"

// A Cluster is three nodes of ours.
type Cluster struct{ Nodes []*mariadb.Server }

// patience is how long a node may take to join on a slow, busy machine.
const patience = 3 * time.Minute

// Start starts a cluster in dir, which is filled with nova's schema.
func Start(dir string) (*Cluster, error) { return start(dir, mariadb.StartNovaNode) }

// StartEmpty starts a cluster without any databases.
func StartEmpty(dir string) (*Cluster, error) { return start(dir, mariadb.StartNode) }

// A starter starts the first node.
type starter func(mariadb.Node) (*mariadb.Server, error)

func start(dir string, first starter) (*Cluster, error) {
	port, err := freePorts()
	if err != nil {
		return nil, err
	}
	c := &Cluster{}
	for n := 1; n <= 3; n++ {
		s, err := startNode(filepath.Join(dir, fmt.Sprintf("n%d", n)), n, port, first)
		if s != nil {
			c.Nodes = append(c.Nodes, s)
		}
		if err == nil {
			err = synced(s)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("node %d: %w", n, err), c.Stop())
		}
	}
	return c, nil
}

// Stop ends all nodes, the first one last.
func (c *Cluster) Stop() (err error) {
	for i := len(c.Nodes) - 1; i >= 0; i-- {
		err = errors.Join(err, c.Nodes[i].Signal(cont), c.Nodes[i].Kill())
	}
	return err
}

func startNode(dir string, n, port int, first starter) (*mariadb.Server, error) {
	addr := func(n int) string { return fmt.Sprintf("127.0.0.%d:%d", n, port+1) }
	lines := []string{
		"innodb_autoinc_lock_mode=2", "innodb_buffer_pool_size=128M", "wsrep_on=ON", "wsrep_provider=" + Provider,
		"wsrep_cluster_name=lab", "wsrep_cluster_address=gcomm://" + addr(1) + "," + addr(2) + "," + addr(3),
		fmt.Sprintf("wsrep_node_name=c%d", n), fmt.Sprintf("wsrep_node_address=127.0.0.%d", n),
		fmt.Sprintf("wsrep_provider_options=\"gmcast.listen_addr=tcp://%s;ist.recv_addr=127.0.0.%d:%d;ist.recv_bind=127.0.0.%d:%d;gcache.size=32M;pc.recovery=false;gcs.fc_limit=16\"",
			addr(n), n, port+2, n, port+2),
		"wsrep_sst_method=rsync", fmt.Sprintf("wsrep_sst_receive_address=127.0.0.%d:%d", n, port+3), "wsrep_slave_threads=1",
	}
	node := mariadb.Node{Dir: dir, Addr: fmt.Sprintf("127.0.0.%d", n), Port: port, Lines: lines, User: account()}
	if n == 1 {
		node.Args = []string{"--wsrep-new-cluster"}
		return first(node)
	}
	node.Empty = true
	return mariadb.StartNode(node)
}

// account is the user that the nodes run as: root cannot be the one.
func account() string {
	if os.Geteuid() == 0 {
		return "mysql"
	}
	return ""
}

func synced(s *mariadb.Server) error {
	db, err := s.Open("")
	if err != nil {
		return err
	}
	defer db.Close()
	var state sql.NullString
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		err = db.QueryRow("SELECT variable_value FROM information_schema.global_status WHERE variable_name='wsrep_local_state_comment'").Scan(&state)
		if err == nil && state.String == "Synced" {
			return nil
		}
	}
	return fmt.Errorf("not Synced but %q: %w\n%s", state.String, err, s.Log())
}

// freePorts finds four ports in a row that are free on all three addresses.
func freePorts() (int, error) {
	for base := 21000; base < 32000; base += 10 {
		free := true
		for n := 1; n <= 3 && free; n++ {
			for p := base; p < base+4 && free; p++ {
				l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:%d", n, p))
				if free = err == nil; free {
					l.Close()
				}
			}
		}
		if free {
			return base, nil
		}
	}
	return 0, errors.New("no four free ports in a row")
}

// Available says why there can be no cluster here.
func Available() error {
	if _, err := os.Stat(Provider); err != nil {
		return err
	}
	_, err := exec.LookPath("rsync")
	return err
}
