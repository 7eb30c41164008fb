package openstack

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/stackmend/stackmend/internal/lab/mariadb"
	"golang.org/x/sync/errgroup"
)

// rabbitmq is the script that becomes the message queue.
const rabbitmq = "/usr/lib/rabbitmq/bin/rabbitmq-server"

// base starts the database and the message queue, side by side.
func (c *Cloud) base() error {
	if err := c.rabbit(); err != nil {
		return err
	}
	var g errgroup.Group
	g.Go(c.database)
	g.Go(func() error { return c.listening("rabbitmq", 5672) })
	return g.Wait()
}

func (c *Cloud) database() (err error) {
	c.db, err = mariadb.Start(filepath.Join(c.Dir, "db"), c.Addr, 3306, "skip-log-bin", "max_connections=500",
		"innodb_flush_log_at_trx_commit=0", "innodb_doublewrite=0", "innodb_flush_method=nosync")
	if c.db != nil {
		c.t.Cleanup(func() { _ = c.db.Kill() }) // its folder goes too
	}
	if err != nil {
		return err
	}
	var q strings.Builder
	for _, name := range []string{"keystone", "glance", "placement", "nova_api", "nova_cell0", "nova_cell1", "nova_cell2", "neutron", "cinder"} {
		fmt.Fprintf(&q, "CREATE DATABASE %s CHARACTER SET utf8mb3;", name)
	}
	if err := c.db.Exec(q.String()); err != nil {
		return err
	}
	c.cell2 = &relay{from: c.Addr + ":3307", to: c.Addr + ":3306"}
	c.t.Cleanup(c.cell2.cut)
	return c.cell2.open()
}

// rabbit starts the message queue and Erlang's name server, both as processes
// of ours: by itself it would leave the name server running.
func (c *Cloud) rabbit() error {
	conf := filepath.Join(c.Dir, "conf")
	port, err := freePort() // it always takes 127.0.0.1 too
	if err != nil {
		return err
	}
	names := exec.Command("epmd", "-port", port, "-address", c.Addr)
	names.Env = c.env()
	c.start("epmd", names)
	cmd := exec.Command(rabbitmq, "-noinput")
	cmd.Env = c.env(
		"RABBITMQ_ALLOW_INPUT=1", // it becomes the Erlang VM, and no parent of it
		"RABBITMQ_NODENAME=cloud@localhost", "ERL_EPMD_PORT="+port,
		"RABBITMQ_NODE_IP_ADDRESS="+c.Addr, "RABBITMQ_NODE_PORT=5672", "RABBITMQ_DIST_PORT=25672",
		"RABBITMQ_MNESIA_BASE="+filepath.Join(c.Dir, "state", "rabbit"), "RABBITMQ_LOG_BASE="+filepath.Join(c.Dir, "log"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(conf, "rabbitmq-plugins"), "RABBITMQ_CONFIG_FILE="+filepath.Join(conf, "rabbitmq"),
		"RABBITMQ_CONF_ENV_FILE=/dev/null", "RABBITMQ_LOGS=-",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+sbwt none +sbwtdcpu none +sbwtdio none -start_epmd false -kernel inet_dist_use_interface {"+
			strings.ReplaceAll(c.Addr, ".", ",")+"}")
	c.start("rabbitmq", cmd)
	return nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
