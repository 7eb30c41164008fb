package pglog

import (
	"context"
	"fmt"
	"os"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/supervisor"
)

// on returns a context whose supervisor and tool work on a machine: this one,
// or one to which the route leads. What asks the cluster is not changed by it.
func (c Config) on(ctx context.Context, machine string) (context.Context, error) {
	here, err := os.Hostname()
	switch {
	case err != nil:
		return nil, err
	case machine == "" || machine == here:
		return ctx, nil
	case c.Route == nil:
		return nil, fmt.Errorf("%w: the OSD is on host %s, this is %s: run it there, or say how to get there", stackmend.ErrRefused, machine, here)
	}
	return supervisor.On(ctx, c.Route, machine), nil
}
