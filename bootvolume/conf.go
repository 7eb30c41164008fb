package bootvolume

import (
	"bufio"
	"io"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend/internal/oslo"
)

// ReadNovaConf reads the options of a compute host's nova.conf that decide how
// long it waits for volumes. The defaults are those of nova 26 (60, 3 s).
func ReadNovaConf(r io.Reader, host string) (NovaConf, error) {
	c := &oslo.Config{}
	if err := c.Add(host, r); err != nil {
		return NovaConf{}, err
	}
	return novaConf(c, host)
}

// ReadNovaConfFiles reads the files of a compute host in the order of nova's
// command line, where later ones win; a folder is a --config-dir, whose files
// *.conf count in the order of their names. A service that is given no
// --config-dir also takes nova.conf.d and nova-compute.conf.d, each where it is
// found first of ~/.nova, ~, /etc/nova and /etc, and before any --config-file
// of its command line: name them first then (oslo.config 9.0.0,
// oslo_config/cfg.py, find_config_dirs and _parse_config_files). The error is compatible with errors.Is(err,
// fs.ErrNotExist) if one is not there.
func ReadNovaConfFiles(fsys fs.FS, host string, names ...string) (NovaConf, error) {
	c, err := oslo.Read(fsys, names...)
	if err != nil {
		return NovaConf{}, err
	}
	return novaConf(c, host)
}

func novaConf(c *oslo.Config, host string) (NovaConf, error) {
	retries := oslo.Option{Name: "block_device_allocate_retries"}
	interval := oslo.Option{Name: "block_device_allocate_retries_interval"}
	c.Default(retries, "60")
	c.Default(interval, "3")
	n, _, err := c.Int(retries)
	if err != nil {
		return NovaConf{}, err
	}
	seconds, _, err := c.Int(interval)
	if err != nil {
		return NovaConf{}, err
	}
	return NovaConf{Host: host, Retries: max(n, 0), Interval: time.Duration(min(max(seconds, 0), math.MaxInt64/int64(time.Second))) * time.Second}, nil
}

// ReadServiceConf reads what the configuration of a service that uses the
// database, such as cinder.conf, says of reads after writes and of how many
// sessions it opens and how long it keeps them (oslo.db's
// mysql_wsrep_sync_wait, max_pool_size, max_overflow, connection_recycle_time).
func ReadServiceConf(r io.Reader, host string) (ServiceConf, error) {
	c := &oslo.Config{}
	if err := c.Add(host, r); err != nil {
		return ServiceConf{}, err
	}
	return serviceConf(c, host)
}

// ReadServiceConfFiles reads the files of one service as ReadNovaConfFiles does.
func ReadServiceConfFiles(fsys fs.FS, host string, names ...string) (ServiceConf, error) {
	c, err := oslo.Read(fsys, names...)
	if err != nil {
		return ServiceConf{}, err
	}
	return serviceConf(c, host)
}

func serviceConf(c *oslo.Config, host string) (ServiceConf, error) {
	wait, found, err := c.Int(oslo.Option{Group: "database", Name: "mysql_wsrep_sync_wait"})
	if err != nil {
		return ServiceConf{}, err
	}
	s := ServiceConf{Host: host}
	if found {
		s.SyncWait = strconv.FormatInt(wait, 10)
	}
	if s.Pool, err = poolOf(c); err != nil {
		return ServiceConf{}, err
	}
	s.Recycle, err = recycleOf(c)
	return s, err
}

// recycleOf has oslo.db's default too. SQLAlchemy takes -1 for never.
func recycleOf(c *oslo.Config) (time.Duration, error) {
	option := oslo.Option{Group: "database", Name: "connection_recycle_time"}
	c.Default(option, "3600")
	seconds, found, err := c.Int(option, oslo.Option{Group: "database", Name: "idle_timeout"}, oslo.Option{Group: "database", Name: "sql_idle_timeout"},
		oslo.Option{Name: "sql_idle_timeout"}, oslo.Option{Group: "sql", Name: "idle_timeout"})
	if err != nil || !found {
		return 0, err
	}
	return time.Duration(min(max(seconds, -1), math.MaxInt64/int64(time.Second))) * time.Second, nil
}

// poolOf has the defaults of oslo.db 12.1.0 (oslo_db/options.py).
func poolOf(c *oslo.Config) (int64, error) {
	kept, overflow := oslo.Option{Group: "database", Name: "max_pool_size"}, oslo.Option{Group: "database", Name: "max_overflow"}
	c.Default(kept, "5")
	c.Default(overflow, "50")
	size, _, err := c.Int(kept)
	if err != nil {
		return 0, err
	}
	more, _, err := c.Int(overflow, oslo.Option{Name: "sql_max_overflow"}, oslo.Option{Group: "database", Name: "sqlalchemy_max_overflow"})
	if err != nil || size <= 0 || more < 0 {
		return 0, err // no limit
	}
	return min(size, math.MaxInt32) + min(more, math.MaxInt32), nil
}

// ReadGaleraConf reads the server's variables of a galera.cnf. Files that it
// includes are named and not read.
func ReadGaleraConf(r io.Reader, host string) (GaleraConf, error) {
	c := GaleraConf{Host: host, Variables: make(map[string]string)}
	in := bufio.NewScanner(r)
	server := false
	for in.Scan() {
		line := strings.TrimSpace(in.Text())
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '!':
			c.Includes = append(c.Includes, line)
		case line[0] == '[':
			server = isServerGroup(strings.Trim(line, "[]"))
		case server:
			name, value, _ := strings.Cut(line, "=")
			value, _, _ = strings.Cut(value, " #")
			name = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "-", "_")
			c.Variables[name] = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return c, in.Err()
}

func isServerGroup(name string) bool {
	for _, prefix := range []string{"mysqld", "mariadb", "server", "galera"} {
		if version, ok := strings.CutPrefix(name, prefix); ok && strings.Trim(version, "-.0123456789") == "" {
			return true
		}
	}
	return false
}
