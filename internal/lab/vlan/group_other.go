//go:build !linux

package vlan

import "os/exec"

func inOwnGroup(*exec.Cmd) {}
