//go:build !linux

package main

import "errors"

func stayInMemory() error { return errors.ErrUnsupported }
