package librados_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/librados"
)

// Where there is no cgo, the command line does the same work.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var to ceph.Commander
	conn, err := librados.Open(ctx, librados.Options{ID: "readonly"})
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		to = ceph.CLI{ID: "readonly"}
	case err != nil:
		fmt.Println("cannot connect:", err)
		return
	default:
		defer conn.Close()
		to = conn
	}
	seen, err := ceph.Observe(ctx, to, ceph.Options{})
	if err != nil {
		fmt.Println("cannot see:", err)
		return
	}
	fmt.Println(ceph.Check(ceph.Observed{Cluster: seen}, ceph.Policy{}).Status)
}
