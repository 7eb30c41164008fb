//go:build !linux

package ceph

import (
	"errors"
	"os/exec"
)

func bindLife(*exec.Cmd) {}

func (d *daemon) launch() error { return errors.ErrUnsupported }
