//go:build !linux

package consolelog

import (
	"context"

	"github.com/stackmend/stackmend"
)

func (b bound) recheck(context.Context) error { return errLinux }

func (b bound) do(context.Context, *stackmend.Work) error { return errLinux }

func (b bound) verify() error { return errLinux }
