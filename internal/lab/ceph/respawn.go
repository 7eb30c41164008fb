package ceph

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// respawner starts an OSD again whenever it has ended, unless its file is
// there: what systemd, monit or a script does on a storage host. The OSD dies
// with it.
const respawner = `while :; do
	[ -e "$0" ] || setpriv --pdeathsig KILL ceph-osd -f -i "$1" -c "$2"
	sleep 0.2
done`

// Data is the folder of an OSD's store.
func (c *Cluster) Data(osd int) string {
	return filepath.Join(c.Dir, "osd."+strconv.Itoa(osd))
}

// HoldFile is the file that keeps the respawner of an OSD from starting it.
func (c *Cluster) HoldFile(osd int) string { return c.Data(osd) + ".hold" }

// Respawn ends an OSD and puts it under a respawner.
func (c *Cluster) Respawn(osd int) error {
	name := "osd." + strconv.Itoa(osd)
	if err := c.End(name, syscall.SIGTERM); err != nil {
		return err
	}
	out, err := os.OpenFile(filepath.Join(c.Dir, "log", name+".out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command("sh", "-c", respawner, c.HoldFile(osd), strconv.Itoa(osd), c.Conf)
	cmd.Stdout, cmd.Stderr = out, out
	if c.Furnish != nil {
		c.Furnish(name, cmd)
	}
	bindLife(cmd)
	d := &daemon{cmd: cmd, done: make(chan struct{})}
	if err := d.launch(); err != nil {
		return fmt.Errorf("starting the respawner of %s: %w", name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.daemons[name] = d
	return nil
}
