package mariadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver that every test uses
)

// A Server is a mariadbd of ours.
type Server struct {
	Dir  string // holds the data directory, the socket and the log
	Addr string // the loopback address it listens on
	Port int

	user string
	cmd  *exec.Cmd
	done chan error
}

// patience is how long a server may take to answer on a slow, busy machine.
const patience = 2 * time.Minute

// A Node is a server to be started.
type Node struct {
	Dir   string   // data, socket and log; the data directory is made if need be
	Addr  string   // of loopback
	Port  int      // zero: a free one
	Lines []string // added to [mysqld]
	Args  []string // of mariadbd, at the first start
	User  string   // to run as, if not the one of the test
	Empty bool     // the data comes over the network
}

// Start starts a server with the data directory Dir/data, which is made if
// need be. Lines are added to its [mysqld] section.
func Start(dir, addr string, port int, lines ...string) (*Server, error) {
	return StartNode(Node{Dir: dir, Addr: addr, Port: port, Lines: lines})
}

// StartNode starts a server.
func StartNode(n Node) (*Server, error) {
	if n.Port == 0 {
		var err error
		if n.Port, err = freePort(n.Addr); err != nil {
			return nil, err
		}
	}
	s := &Server{Dir: n.Dir, Addr: n.Addr, Port: n.Port, user: n.User}
	if err := s.configure(n.Lines); err != nil {
		return nil, err
	}
	if _, err := os.Stat(s.data()); errors.Is(err, os.ErrNotExist) && !n.Empty {
		if err := s.install(); err != nil {
			return nil, err
		}
	}
	if n.User != "" {
		if err := os.MkdirAll(s.data(), 0o700); err != nil {
			return nil, err
		}
		if out, err := exec.Command("chown", "-R", n.User, n.Dir).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("chown: %w: %s", err, out)
		}
	}
	return s, s.Launch(n.Args...)
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }
func (s *Server) conf() string { return filepath.Join(s.Dir, "my.cnf") }

// Socket is the path of the server's socket.
func (s *Server) Socket() string { return filepath.Join(s.Dir, "s") }

// LogFile is the path of the server's error log.
func (s *Server) LogFile() string { return filepath.Join(s.Dir, "err.log") }

// Log returns the end of the server's error log.
func (s *Server) Log() string {
	b, _ := os.ReadFile(s.LogFile())
	return string(b[max(0, len(b)-3000):])
}

func (s *Server) configure(lines []string) error {
	if err := os.MkdirAll(filepath.Join(s.Dir, "tmp"), 0o755); err != nil {
		return err
	}
	conf := append([]string{"[mysqld]",
		"datadir=" + s.data(), "socket=" + s.Socket(), "pid-file=" + filepath.Join(s.Dir, "pid"),
		"log-error=" + s.LogFile(), "tmpdir=" + filepath.Join(s.Dir, "tmp"),
		"bind-address=" + s.Addr, fmt.Sprintf("port=%d", s.Port), fmt.Sprintf("server-id=%d", s.Port),
		"skip-name-resolve", "performance_schema=OFF", "character-set-server=utf8mb4",
		"log-bin=" + filepath.Join(s.Dir, "bin"), "binlog_format=ROW", "max_connections=200",
		"innodb_buffer_pool_size=256M", "innodb_log_file_size=64M",
		// fast by default; what is about speed or crashes says otherwise
		"innodb_flush_log_at_trx_commit=2", "sync_binlog=0", "innodb_flush_method=nosync",
	}, lines...)
	switch {
	case s.user != "":
		conf = append(conf, "user="+s.user)
	case os.Geteuid() == 0:
		conf = append(conf, "user=root")
	}
	return os.WriteFile(s.conf(), []byte(strings.Join(conf, "\n")+"\n"), 0o644)
}

func (s *Server) install() error {
	args := []string{"--no-defaults", "--datadir=" + s.data(), "--auth-root-authentication-method=normal", "--skip-test-db"}
	if os.Geteuid() == 0 {
		args = append(args, "--user=root")
	}
	if out, err := exec.Command("mariadb-install-db", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	return nil
}

// Launch starts the server again after Stop or Kill.
func (s *Server) Launch(args ...string) error {
	s.cmd = exec.Command("mariadbd", append([]string{"--defaults-file=" + s.conf()}, args...)...)
	s.cmd.SysProcAttr = childAttr()
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.done = make(chan error, 1)
	go func(c *exec.Cmd, done chan<- error) { done <- c.Wait() }(s.cmd, s.done)
	deadline := time.Now().Add(patience)
	for {
		err := s.Exec("CREATE USER IF NOT EXISTS nova@'%' IDENTIFIED BY 'nova'; GRANT ALL ON *.* TO nova@'%' WITH GRANT OPTION")
		if err == nil {
			return nil
		}
		select {
		case died := <-s.done:
			s.done <- died
			return fmt.Errorf("mariadbd ended: %v\n%s", died, s.Log())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("mariadbd does not answer: %w\n%s", err, s.Log()), s.Kill())
		}
	}
}

// Exec runs SQL as root through the socket, by the mariadb client.
func (s *Server) Exec(sql string) error {
	c := exec.Command("mariadb", "--no-defaults", "-uroot", "-S", s.Socket())
	c.Stdin = strings.NewReader(sql)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb: %w: %s", err, out)
	}
	return nil
}

// DSN is the data source name of a database, for the user nova.
func (s *Server) DSN(db string) string {
	return fmt.Sprintf("nova:nova@tcp(%s:%d)/%s", s.Addr, s.Port, db)
}

// URL is the same in the form of nova.conf.
func (s *Server) URL(db string) string {
	return fmt.Sprintf("mysql+pymysql://nova:nova@%s:%d/%s?charset=utf8", s.Addr, s.Port, db)
}

// Open opens a database for the user nova.
func (s *Server) Open(db string) (*sql.DB, error) { return sql.Open("mysql", s.DSN(db)) }

// Stop ends the server in order.
func (s *Server) Stop() error { return s.end(syscall.SIGTERM) }

// Kill ends the server as a crash does.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL) }

// Signal sends the server a signal: SIGSTOP, SIGCONT.
func (s *Server) Signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

func (s *Server) end(sig os.Signal) error {
	if s.cmd == nil || s.cmd.Process == nil {
		return nil
	}
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	select {
	case err := <-s.done:
		s.done <- err
	case <-ctx.Done():
		return errors.Join(errors.New("mariadbd did not end"), s.cmd.Process.Kill())
	}
	return nil
}

func freePort(addr string) (int, error) {
	l, err := net.Listen("tcp", addr+":0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
