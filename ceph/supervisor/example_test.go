package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/stackmend/stackmend/ceph/supervisor"
)

// What keeps osd.3 running, and would it be given the time for a clean stop?
func Example() {
	var s supervisor.Supervisor = supervisor.Systemd{}
	state, err := s.State(context.Background(), 3)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Println("osd.3 is not on this host")
	case err != nil:
		fmt.Println("cannot see:", err)
	default:
		fmt.Printf("%+v\n", state)
	}
}
