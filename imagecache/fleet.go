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
	At         time.Time // when the older of the lists was taken
}

// Service is one nova-compute service as os-services tells it.
type Service struct {
	Host       string
	State      string // up or down; empty where its cell did not answer
	Status     string // enabled or disabled; UNKNOWN where its cell did not answer
	Disabled   string // the reason that the operator gave
	ForcedDown bool
	Updated    time.Time // its last heartbeat; zero: none told
}

// Server is one instance as the compute API tells it.
type Server struct {
	ID              string
	Name            string
	Host            string // empty: on no host (shelved and offloaded, never scheduled)
	Status          string
	Image           string // Glance id; empty: booted from a volume, or not told
	VolumesAttached bool
}

// A FleetReader asks the control plane. What it cannot prove to be whole it
// says in Fleet.Incomplete; an error means that there is nothing to judge on.
type FleetReader interface {
	Fleet(ctx context.Context) (Fleet, error)
}
