package safety

import (
	"context"
	"errors"
	"fmt"

	"github.com/stackmend/stackmend/ceph"
)

// Paused refuses unless the orchestrator that deployed the cluster is paused:
// it starts again what somebody else has stopped. The answer is that of
// src/pybind/mgr/orchestrator/module.py at v16.2.15, to which cephadm adds
// whether it is paused. No orchestrator, or one that does not say, is not known.
//
// Similar To: ceph orch status
func Paused(ctx context.Context, to ceph.Commander) error {
	var s struct {
		Available, Paused *bool
		Backend, Reason   string
	}
	if err := ask(ctx, to, ceph.Command{To: ceph.Target{Kind: ceph.KindMgr}, Prefix: "orch status"}, &s); err != nil {
		return err
	}
	switch {
	case s.Backend == "" || s.Available == nil:
		return errors.New("ceph: orch status does not say which orchestrator there is")
	case !*s.Available:
		return fmt.Errorf("ceph: the orchestrator %s is not available, whether it is paused is not known: %s", s.Backend, s.Reason)
	case s.Paused == nil:
		return fmt.Errorf("ceph: the orchestrator %s does not say whether it is paused", s.Backend)
	case !*s.Paused:
		return refuse("the orchestrator %s is not paused and starts again what is stopped: ceph orch pause (and ceph orch resume when all is done)", s.Backend)
	}
	return nil
}
