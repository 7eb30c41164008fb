package bootvolume

import (
	"bufio"
	"io"
	"strings"
	"time"

	"github.com/stackmend/stackmend/internal/oslo"
)

// ReadNovaConf reads the options of a compute host's nova.conf that decide how
// long it waits for volumes. The defaults are those of nova 26 (60, 3 s).
func ReadNovaConf(r io.Reader, host string) (NovaConf, error) {
	c := &oslo.Config{}
	retries := oslo.Option{Name: "block_device_allocate_retries"}
	interval := oslo.Option{Name: "block_device_allocate_retries_interval"}
	c.Default(retries, "60")
	c.Default(interval, "3")
	if err := c.Add(host, r); err != nil {
		return NovaConf{}, err
	}
	n, _, err := c.Int(retries)
	if err != nil {
		return NovaConf{}, err
	}
	seconds, _, err := c.Int(interval)
	if err != nil {
		return NovaConf{}, err
	}
	return NovaConf{Host: host, Retries: max(n, 0), Interval: time.Duration(max(seconds, 0)) * time.Second}, nil
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
