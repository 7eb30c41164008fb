package imagecache

import (
	"context"
	"time"
)

// Fleet is what the control plane says of computes and instances.
type Fleet struct {
	Services   []Service // every nova-compute service, all cells
	Servers    []Server  // of all cells and projects, soft-deleted included
	Incomplete []string  // why the lists may not be whole; empty: complete
	At         time.Time
}

// Service is one nova-compute service.
type Service struct {
	Host, State, Status, Disabled string // State up|down|UNKNOWN, Status enabled|disabled; Disabled: the reason
	ForcedDown                    bool
	Updated                       time.Time
}

// Server is one instance.
type Server struct {
	ID, Name, Host, Status, Image string // Image: its ID, empty for boot from volume
	VolumesAttached               bool
}

// FleetReader asks the control plane.
type FleetReader interface {
	Fleet(ctx context.Context) (Fleet, error)
}
