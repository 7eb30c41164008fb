package bootvolume

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/stackmend/stackmend/internal/oslo"
)

// A ComputeService is a row of "openstack compute service list".
type ComputeService struct {
	Binary, Host string
	State        string // "up", "down"
}

// maxServices bounds what is read of a list of services.
const maxServices = 64 << 20

// ReadComputeServices reads "openstack compute service list -f json". The
// error is compatible with errors.Is(err, ErrSyntax).
func ReadComputeServices(r io.Reader) ([]ComputeService, error) {
	var all []ComputeService
	if err := json.NewDecoder(io.LimitReader(r, maxServices)).Decode(&all); err != nil {
		return nil, fmt.Errorf("%w: not a list of compute services: %w", ErrSyntax, err)
	}
	for i, s := range all {
		if s.Binary == "" || s.Host == "" || s.State == "" {
			return nil, fmt.Errorf("%w: compute service %d has no Binary, Host or State", ErrSyntax, i+1)
		}
	}
	return all, nil
}

// A ConsoleConf is where a nova-consoleauth keeps the tokens of consoles.
type ConsoleConf struct {
	Host    string
	Cached  bool     // [cache] enabled; otherwise in the memory of the process
	Backend string   // [cache] backend
	Servers []string // [cache] memcache_servers
}

// ReadConsoleConf reads the nova.conf of a host that runs nova-consoleauth.
func ReadConsoleConf(r io.Reader, host string) (ConsoleConf, error) {
	conf := &oslo.Config{}
	if err := conf.Add(host, r); err != nil {
		return ConsoleConf{}, err
	}
	return consoleConf(conf, host)
}

// ReadConsoleConfFiles reads the files of one host as ReadNovaConfFiles does.
func ReadConsoleConfFiles(fsys fs.FS, host string, names ...string) (ConsoleConf, error) {
	conf, err := oslo.Read(fsys, names...)
	if err != nil {
		return ConsoleConf{}, err
	}
	return consoleConf(conf, host)
}

func consoleConf(conf *oslo.Config, host string) (ConsoleConf, error) {
	c := ConsoleConf{Host: host}
	option := func(name string) oslo.Option { return oslo.Option{Group: "cache", Name: name} }
	var err error
	if c.Cached, _, err = conf.Bool(option("enabled")); err != nil {
		return ConsoleConf{}, err
	}
	if c.Backend, _, err = conf.Get(option("backend")); err != nil {
		return ConsoleConf{}, err
	}
	conf.Default(option("memcache_servers"), "localhost:11211") // oslo.cache's
	servers, _, err := conf.Get(option("memcache_servers"))
	if err != nil {
		return ConsoleConf{}, err
	}
	for s := range strings.SplitSeq(servers, ",") {
		c.Servers = append(c.Servers, strings.TrimSpace(s))
	}
	return c, nil
}
