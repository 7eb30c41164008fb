//go:build !linux

package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

func bindLife(*exec.Cmd) {}

// launch refuses: nothing here ends the program with this process.
func (p *process) launch() error {
	return fmt.Errorf("%s: a program that ends with this one: %w", p.cmd.Path, errors.ErrUnsupported)
}

func killGroup(*os.Process) {}
