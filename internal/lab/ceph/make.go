package ceph

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// pgs is how many placement groups the pool "test" has.
const pgs = 32

// all runs commands one after the other until one fails.
func (c *Cluster) all(commands ...[]string) error {
	for _, argv := range commands {
		if _, err := c.run(argv[0], argv[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// monitor makes the keys and the first monitor, and waits for its quorum.
func (c *Cluster) monitor() error {
	mon, monmap := filepath.Join(c.Dir, "keyring.mon"), filepath.Join(c.Dir, "monmap")
	err := c.all(
		[]string{"ceph-authtool", "-C", mon, "-g", "-n", "mon.", "--cap", "mon", "allow *"},
		[]string{"ceph-authtool", "-C", c.Admin, "-g", "-n", "client.admin", "--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"},
		[]string{"ceph-authtool", mon, "--import-keyring", c.Admin},
		[]string{"monmaptool", "--create", "--clobber", "--fsid", c.FSID, "--addv", "a", c.addr, monmap},
		[]string{"ceph-mon", "--mkfs", "-i", "a", "-c", c.Conf, "--monmap", monmap, "--keyring", mon},
		[]string{"cp", mon, filepath.Join(c.Dir, "mon.a", "keyring")},
	)
	if err != nil {
		return err
	}
	if err := c.start("mon.a"); err != nil {
		return err
	}
	return c.Until("a quorum", func(s Status) bool { return true })
}

func (c *Cluster) manager() error {
	out, err := c.Ceph("auth", "get-or-create", "mgr.x", "mon", "allow profile mgr", "osd", "allow *")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "keyring.mgr.x"), out, 0o600); err != nil {
		return err
	}
	return c.start("mgr.x")
}

// stores makes the OSDs. Their numbers are taken in order, the slow part is
// done side by side.
func (c *Cluster) stores() error {
	var g errgroup.Group
	for i := range c.Size {
		id := strconv.Itoa(i)
		if err := c.register(id); err != nil {
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error { return c.store(id) })
	}
	return g.Wait()
}

// register makes the key of an OSD and takes its number.
func (c *Cluster) register(id string) error {
	dir := filepath.Join(c.Dir, "osd."+id)
	key, err := c.run("ceph-authtool", "--gen-print-key")
	if err != nil {
		return err
	}
	secret := strings.TrimSpace(string(key))
	input, err := json.Marshal(map[string]string{"cephx_secret": secret})
	if err != nil {
		return err
	}
	file := dir + ".secret"
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(file, input, 0o600)); err != nil {
		return err
	}
	if err := os.Truncate(touch(filepath.Join(dir, "block")), 2<<30); err != nil {
		return err
	}
	keyring := filepath.Join(c.Dir, "keyring.osd."+id)
	if _, err := c.run("ceph-authtool", "-C", keyring, "-n", "osd."+id, "--add-key", secret); err != nil {
		return err
	}
	_, err = c.Ceph("osd", "new", c.uuid(id), id, "-i", file)
	return err
}

// touch makes an empty file and returns its path; Truncate reports what failed.
func touch(path string) string {
	_ = os.WriteFile(path, nil, 0o600)
	return path
}

func (c *Cluster) uuid(id string) string { return c.FSID[:len(c.FSID)-1] + nibble(id) }

// nibble makes the last digit of an OSD's uuid differ from the cluster's.
func nibble(id string) string { return string("abcdef"[int(id[0]-'0')]) }

// store formats an OSD and starts it.
func (c *Cluster) store(id string) error {
	begun := time.Now()
	if _, err := c.run("ceph-osd", "-i", id, "-c", c.Conf, "--mkfs", "--osd-uuid", c.uuid(id)); err != nil {
		return fmt.Errorf("after %v: %w", time.Since(begun), err)
	}
	return c.start("osd." + id)
}

func (c *Cluster) pool() error {
	up := func(s Status) bool { return s.OSDMap.Up == c.Size }
	if err := c.Until("all OSDs up", up); err != nil {
		return err
	}
	n := strconv.Itoa(pgs)
	if _, err := c.Ceph("osd", "pool", "create", "test", n, n, "replicated"); err != nil {
		return err
	}
	_, err := c.Ceph("osd", "pool", "application", "enable", "test", "rados")
	return err
}
