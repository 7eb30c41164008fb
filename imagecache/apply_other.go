//go:build !linux

package imagecache

import (
	"context"
	"errors"
	"fmt"

	"github.com/stackmend/stackmend"
)

var errLinux = fmt.Errorf("imagecache: images are moved on Linux alone: %w", errors.ErrUnsupported)

func supported() error { return errLinux }

func verbOf(string) (verb, bool) { return verb{}, false }

func (p *place) unquarantine(context.Context, stackmend.Step) error { return errLinux }

func (f folder) device() (uint64, error)   { return 0, errLinux }
func (f folder) self() (fileInfo, error)   { return fileInfo{}, errLinux }
func (f folder) mkdir(string) error        { return errLinux }
func (f folder) outside(base folder) error { return errLinux }
