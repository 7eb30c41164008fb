//go:build !linux

package ceph

import (
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

func (c *child) launch() error {
	if err := c.cmd.Start(); err != nil {
		return err
	}
	c.empty = true
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	return nil
}

func killGroup(p *os.Process) { _ = p.Kill() }
