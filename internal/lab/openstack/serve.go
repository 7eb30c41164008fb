package openstack

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
)

// serve starts the services in the order in which they need each other:
// nova's conductor ends at once where placement does not answer, and a compute
// waits long for a conductor that is not there yet.
func (c *Cloud) serve() error {
	var first errgroup.Group
	first.Go(c.keystoneAndImages)
	first.Go(c.novaDatabases)
	var beside errgroup.Group
	beside.Go(c.networkAndVolumes)
	if err := first.Wait(); err != nil {
		return err
	}
	if err := c.nova(); err != nil {
		return err
	}
	if err := beside.Wait(); err != nil {
		return err
	}
	return c.computesKnown()
}

func (c *Cloud) keystoneAndImages() error {
	manage := func(arg ...string) error {
		return c.run(exec.Command("keystone-manage", append([]string{"--config-file", c.conf("keystone.conf")}, arg...)...))
	}
	url := fmt.Sprintf("http://%s:5000/v3/", c.Addr)
	for _, arg := range [][]string{
		{"fernet_setup", "--keystone-user", "root", "--keystone-group", "root"},
		{"db_sync"},
		{"bootstrap", "--bootstrap-password", "secret", "--bootstrap-admin-url", url, "--bootstrap-public-url", url,
			"--bootstrap-internal-url", url, "--bootstrap-region-id", "RegionOne"},
	} {
		if err := manage(arg...); err != nil {
			return err
		}
	}
	c.wsgi("keystone", 5000, "/usr/bin/keystone-wsgi-public", "OS_KEYSTONE_CONFIG_FILES="+c.conf("keystone.conf"))
	if err := c.run(exec.Command("placement-manage", "--config-file", c.conf("placement.conf"), "db", "sync")); err != nil {
		return err
	}
	c.wsgi("placement", 8778, "/usr/bin/placement-api", "OS_PLACEMENT_CONFIG_DIR="+c.conf(""))
	if err := c.run(c.entry("glance-manage", "glance.cmd.manage:main", "--config-file", c.conf("glance-api.conf"), "db_sync")); err != nil {
		return err
	}
	c.wsgi("glance", 9292, filepath.Join(c.Dir, "py", "glance_wsgi.py"), "OS_GLANCE_CONFIG_DIR="+c.conf(""))
	if err := c.answering("keystone", 5000); err != nil {
		return err
	}
	if err := c.catalogue(); err != nil {
		return fmt.Errorf("the catalogue: %w", err)
	}
	return c.answering("placement", 8778)
}

func (c *Cloud) novaDatabases() error {
	s := setting{Cloud: c}
	return c.run(exec.Command(python, filepath.Join(c.Dir, "py", "nova_db.py"), c.conf("nova/nova.conf"), s.DB("nova_cell0"),
		"cell1", s.CellDB("cell1"), s.Rabbit("cell1"), "cell2", s.CellDB("cell2"), s.Rabbit("cell2")))
}

func (c *Cloud) networkAndVolumes() error {
	conf := []string{"--config-file", c.conf("neutron.conf")}
	if err := c.run(c.entry("neutron-db-manage", "neutron.db.migration.cli:main", append(conf, "upgrade", "heads")...)); err != nil {
		return err
	}
	if err := c.agents(); err != nil {
		return err
	}
	c.start("neutron", c.entry("neutron-server", "neutron.cmd.eventlet.server:main", conf...))
	conf = []string{"--config-file", c.conf("cinder.conf")}
	if err := c.run(c.entry("cinder-manage", "cinder.cmd.manage:main", append(conf, "db", "sync")...)); err != nil {
		return err
	}
	c.wsgi("cinder-api", 8776, filepath.Join(c.Dir, "py", "cinder_wsgi.py"))
	c.start("cinder-scheduler", c.entry("cinder-scheduler", "cinder.cmd.scheduler:main", conf...))
	c.start("cinder-volume", c.entry("cinder-volume", "cinder.cmd.volume:main", conf...))
	return c.answering("neutron", 9696)
}

// agents are L2 agents on all computes, as rows with a heartbeat of tomorrow:
// without one no port binds.
func (c *Cloud) agents() error {
	const row = `INSERT INTO neutron.agents (id,agent_type,` + "`binary`" + `,topic,host,admin_state_up,created_at,started_at,heartbeat_timestamp,` +
		"configurations,`load`) VALUES (UUID(),'Open vSwitch agent','neutron-openvswitch-agent','N/A','%s',1,UTC_TIMESTAMP(),UTC_TIMESTAMP()," +
		`UTC_TIMESTAMP()+INTERVAL 1 DAY,'{"bridge_mappings":{"physnet1":"br-ex","physnet2":"br-ex2"},"tunnel_types":["vxlan"],` +
		`"tunneling_ip":"127.0.0.1","l2_population":false,"ovs_hybrid_plug":false,"datapath_type":"system",` +
		`"vhostuser_socket_dir":"/var/run/openvswitch","integration_bridge":"br-int"}',0);`
	var q strings.Builder
	for _, host := range Computes {
		fmt.Fprintf(&q, row, host)
	}
	return c.db.Exec(q.String())
}

func (c *Cloud) nova() error {
	c.wsgi("nova-api", 8774, filepath.Join(c.Dir, "py", "nova_wsgi.py"), "OS_NOVA_CONFIG_DIR="+c.conf("nova"))
	conf := c.conf("nova/nova.conf")
	c.start("nova-conductor-cell1", c.entry("nova-conductor", "nova.cmd.conductor:main", "--config-file", conf))
	c.start("nova-conductor-cell2", c.entry("nova-conductor", "nova.cmd.conductor:main", "--config-file", c.conf("nova-cell2.conf")))
	c.start("nova-scheduler", c.entry("nova-scheduler", "nova.cmd.scheduler:main", "--config-file", conf))
	for _, host := range Computes {
		c.compute(host)
	}
	return c.answering("nova-api", 8774)
}

func (c *Cloud) compute(host string) {
	c.start("nova-compute-"+host, c.entry("nova-compute", "labcompute:main", "--config-file", c.conf(host+".conf")))
}

// computesKnown waits until every compute can be scheduled to: each has its
// row, is mapped to its cell, and has told placement what it offers.
func (c *Cloud) computesKnown() error {
	db, err := c.db.Open("")
	if err != nil {
		return err
	}
	defer db.Close()
	const ready = "SELECT (SELECT COUNT(*) FROM nova_api.host_mappings) + (SELECT COUNT(*) FROM nova_cell1.compute_nodes WHERE deleted=0)" +
		" + (SELECT COUNT(*) FROM nova_cell2.compute_nodes WHERE deleted=0) + (SELECT COUNT(DISTINCT resource_provider_id) FROM placement.inventories)"
	err = c.until("nova-scheduler", func() error {
		var n int
		if err := db.QueryRow(ready).Scan(&n); err != nil {
			return err
		}
		if n < 3*len(Computes) {
			return fmt.Errorf("of the %d rows, mappings and inventories of computes %d are there", 3*len(Computes), n)
		}
		return nil
	})
	if err != nil {
		for _, host := range Computes {
			err = fmt.Errorf("%w\nnova-compute-%s: %s", err, host, c.tail("nova-compute-"+host))
		}
		return err
	}
	return c.answering("cinder-api", 8776)
}

// poolKnown waits until cinder's scheduler has heard what the volume service
// offers. Until then no backend can be chosen, though the service has long been
// up in the database, and every volume goes to error.
func (c *Cloud) poolKnown() error {
	return c.until("cinder-volume", func() error {
		var out struct {
			Pools []struct{ Name string }
		}
		if _, err := c.admin.call("GET", "volume/"+c.admin.project+"/scheduler-stats/get_pools", nil, &out); err != nil {
			return err
		}
		if len(out.Pools) == 0 {
			return errors.New("cinder's scheduler knows no pool")
		}
		return nil
	})
}
