package ceph

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// patience is how long a daemon may take to begin or to end on a busy machine.
const patience = 90 * time.Second

// A daemon is one process of the cluster.
type daemon struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; read after done
}

// start starts a daemon in the foreground, as our child.
func (c *Cluster) start(name string) error {
	kind, id := name[:3], name[4:]
	out, err := os.OpenFile(filepath.Join(c.Dir, "log", name+".out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command("ceph-"+kind, "-f", "-i", id, "-c", c.Conf)
	cmd.Stdout, cmd.Stderr = out, out
	if c.Furnish != nil {
		c.Furnish(name, cmd)
	}
	bindLife(cmd)
	d := &daemon{cmd: cmd, done: make(chan struct{})}
	if err := d.launch(); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.daemons[name] = d
	return nil
}

func (c *Cluster) daemon(name string) *daemon {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.daemons[name]
}

// PID is the process of a daemon such as "osd.1"; 0 if it never ran.
func (c *Cluster) PID(name string) int {
	if d := c.daemon(name); d != nil {
		return d.cmd.Process.Pid
	}
	return 0
}

// Signal sends a signal to a daemon.
func (c *Cluster) Signal(name string, sig syscall.Signal) error {
	d := c.daemon(name)
	if d == nil {
		return fmt.Errorf("%s does not run", name)
	}
	return d.cmd.Process.Signal(sig)
}

// End sends a daemon the signal and waits until it is gone.
func (c *Cluster) End(name string, sig syscall.Signal) error {
	d := c.daemon(name)
	if d == nil {
		return nil
	}
	_ = d.cmd.Process.Signal(sig) // gone already: the wait below returns at once
	select {
	case <-d.done:
		return nil
	case <-time.After(patience):
		_ = d.cmd.Process.Kill()
		<-d.done
		return fmt.Errorf("%s did not end after %v of %v", name, patience, sig)
	}
}

// Start starts a daemon again that has ended.
func (c *Cluster) Start(name string) error { return c.start(name) }
