package openstack

import (
	"context"
	"errors"
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stackmend/stackmend/internal/openstack"
)

// Clients are what [New] and [Glance] take.
type Clients struct{ Compute, Identity, Image *gophercloud.ServiceClient }

// Login logs in as python-openstackclient would: with the named cloud of
// clouds.yaml, or the one that OS_CLOUD names, else with OS_AUTH_URL and so
// on. The environment is the caller's: os.Getenv, or none of it. Image is nil
// where the catalogue has no image service. A client of your own, made by
// gophercloud, serves just as well.
func Login(ctx context.Context, cloud string, env func(string) string) (Clients, error) {
	auth, err := openstack.FromEnv(cloud, env)
	if err != nil {
		return Clients{}, err
	}
	s, err := auth.Connect(ctx)
	if err != nil {
		return Clients{}, err
	}
	var c Clients
	if c.Compute, err = s.Compute(); err != nil {
		return Clients{}, fmt.Errorf("imagecache/openstack: the catalogue has no compute service: %w", err)
	}
	if c.Identity, err = s.Identity(); err != nil {
		return Clients{}, fmt.Errorf("imagecache/openstack: the catalogue has no identity service: %w", err)
	}
	c.Image, err = s.Image()
	var absent *gophercloud.ErrEndpointNotFound
	switch {
	case errors.As(err, &absent):
		c.Image = nil
	case err != nil:
		return Clients{}, fmt.Errorf("imagecache/openstack: the image service: %w", err)
	}
	return c, nil
}
