//go:build !unix

package bootvolume

import "errors"

func signal(int) error { return errors.ErrUnsupported }
