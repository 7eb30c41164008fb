//go:build !cgo || nolibrados

package librados

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/stackmend/stackmend/ceph"
)

// Conn is a connection; this build has none.
type Conn struct{}

// Open returns an error that is [errors.ErrUnsupported].
func Open(context.Context, Options) (*Conn, error) { return nil, unsupported() }

// Command returns an error that is [errors.ErrUnsupported].
func (*Conn) Command(context.Context, ceph.Command) (io.ReadCloser, error) {
	return nil, unsupported()
}

// Close does nothing.
func (*Conn) Close() {}

func unsupported() error {
	return fmt.Errorf("librados: this program was built without cgo: %w", errors.ErrUnsupported)
}
