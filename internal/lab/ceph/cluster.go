package ceph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// OSDs is how many a cluster of Up has, each in a CRUSH host of its own.
const OSDs = 3

// A Cluster is a real one that runs on loopback. Its methods may be called
// side by side.
type Cluster struct {
	Dir, Conf, FSID string
	Admin           string // keyring of client.admin
	Size            int    // how many OSDs it has
	// Furnish, if set, changes the command by which a daemon is started from
	// then on: its environment, what stands before it.
	Furnish func(name string, cmd *exec.Cmd)

	each    int // OSDs of one CRUSH host
	addr    string
	mu      sync.Mutex
	daemons map[string]*daemon
}

// Programs are what a cluster needs.
func Programs() []string {
	return []string{"ceph", "ceph-mon", "ceph-mgr", "ceph-osd", "ceph-authtool", "monmaptool", "rados"}
}

// Up makes a cluster in dir, an empty folder with a short name (sockets are
// made in it), and waits until it is healthy. On an error nothing is left
// running.
func Up(dir string) (*Cluster, error) { return UpHosts(dir, OSDs, 1, nil) }

// UpHosts is Up with so many CRUSH hosts, and so many OSDs in each: osd.0 and
// those that follow are in host0. Together there are at most six. Furnish, if
// not nil, is the cluster's from its first daemon on.
func UpHosts(dir string, hosts, each int, furnish func(name string, cmd *exec.Cmd)) (*Cluster, error) {
	c := &Cluster{
		Size: hosts * each, each: each, Furnish: furnish,
		Dir: dir, Conf: filepath.Join(dir, "ceph.conf"), FSID: "8a1b7f1e-0c57-4e0b-9a35-c3f0c3f00001",
		Admin: filepath.Join(dir, "keyring.client.admin"), daemons: map[string]*daemon{},
	}
	for _, step := range []func() error{c.writeConf, c.monitor, c.manager, c.stores, c.pool, c.Healthy} {
		if err := step(); err != nil {
			return nil, errors.Join(err, c.Down())
		}
	}
	return c, nil
}

// Down kills what still runs. Nothing of the cluster is worth an orderly end.
func (c *Cluster) Down() error {
	var errs []error
	for id := range c.Size {
		errs = append(errs, c.End("osd."+strconv.Itoa(id), syscall.SIGKILL))
	}
	return errors.Join(append(errs, c.End("mgr.x", syscall.SIGKILL), c.End("mon.a", syscall.SIGKILL))...)
}

// Ceph runs the ceph command as client.admin and returns its stdout.
func (c *Cluster) Ceph(arg ...string) ([]byte, error) {
	return c.run("ceph", append([]string{"-c", c.Conf, "--connect-timeout", "30"}, arg...)...)
}

// Rados runs the rados command as client.admin.
func (c *Cluster) Rados(arg ...string) error {
	_, err := c.run("rados", append([]string{"-c", c.Conf}, arg...)...)
	return err
}

func (c *Cluster) run(name string, arg ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, arg...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s %v: %w: %s", name, arg, err, exit.Stderr)
	}
	return out, err
}

// Status is what the tests need of `ceph status`.
type Status struct {
	Health struct{ Status string }
	OSDMap struct {
		Epoch int
		Up    int `json:"num_up_osds"`
	}
	PGMap struct {
		Total  int `json:"num_pgs"`
		States []struct {
			Name  string `json:"state_name"`
			Count int
		} `json:"pgs_by_state"`
	}
}

// Clean reports whether all PGs are active+clean.
func (s Status) Clean() bool {
	return s.PGMap.Total > 0 && len(s.PGMap.States) == 1 &&
		s.PGMap.States[0].Name == "active+clean" && s.PGMap.States[0].Count == s.PGMap.Total
}

// Every reports whether all PGs have a word, such as peered, in their state.
func (s Status) Every(word string) bool {
	for _, st := range s.PGMap.States {
		if !slices.Contains(strings.Split(st.Name, "+"), word) {
			return false
		}
	}
	return s.PGMap.Total > 0
}

// Until polls the status until ok.
func (c *Cluster) Until(what string, ok func(Status) bool) error {
	var last []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		out, err := c.Ceph("-f", "json", "status")
		if err != nil {
			last = []byte(err.Error())
			continue
		}
		var s Status
		if err := json.Unmarshal(out, &s); err != nil {
			return err
		}
		if ok(s) {
			return nil
		}
		last = out
	}
	return fmt.Errorf("not %s after %v: %s", what, patience, last)
}

// Healthy waits until all OSDs are up and all PGs are clean.
func (c *Cluster) Healthy() error {
	return c.Until("healthy", func(s Status) bool {
		return s.OSDMap.Up == c.Size && s.PGMap.Total >= pgs && s.Clean()
	})
}

// MakeKey makes a client with these capabilities (mon, allow r, ..) and
// returns the path of its keyring.
func (c *Cluster) MakeKey(id string, caps ...string) (string, error) {
	out, err := c.Ceph(append([]string{"auth", "get-or-create", "client." + id}, caps...)...)
	if err != nil {
		return "", err
	}
	path := filepath.Join(c.Dir, "keyring.client."+id)
	return path, os.WriteFile(path, out, 0o600)
}
