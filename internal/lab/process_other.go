//go:build !linux

package lab

import (
	"os"
	"os/exec"
)

func bindLife(*exec.Cmd) {}

func (p *Process) launch() error {
	if err := p.Cmd.Start(); err != nil {
		return err
	}
	go func() {
		p.err = p.Cmd.Wait()
		close(p.done)
	}()
	return nil
}

func killGroup(p *os.Process) { _ = p.Kill() }
