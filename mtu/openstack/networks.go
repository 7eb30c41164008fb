// Package openstack reads for package mtu what Neutron knows of networks: their
// MTU, type, physical network and segment. It asks, and changes nothing.
//
// Start with [Login] or clients of your own, then [Networks]; put what it
// returns into the Snapshot.
//
// # Privileges
//
// An administrator's token. Others get the own project's and shared networks
// alone, without their types and segments, and Neutron does not say so: then
// what could not be seen does.
//
// # Compatibility
//
// Neutron's API v2.0 (the extensions net-mtu and provider), made for gophercloud
// v2.15.0; the tests replay what Neutron of OpenStack Zed answered.
package openstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stackmend/stackmend/internal/openstack"
	"github.com/stackmend/stackmend/mtu"
)

// ErrDenied: 401 or 403; the token may not list networks at all.
var ErrDenied = openstack.ErrDenied

// Clients are what [Networks] asks. Identity may be nil if the program itself
// logged in with a password or an application credential.
type Clients struct{ Network, Identity *gophercloud.ServiceClient }

// Login logs in as python-openstackclient would: with the named cloud of
// clouds.yaml, or the one that OS_CLOUD names, else with OS_AUTH_URL and so
// on. The environment is the caller's: os.Getenv, or none of it.
func Login(ctx context.Context, cloud string, env func(string) string) (Clients, error) {
	auth, err := openstack.FromEnv(cloud, env)
	if err != nil {
		return Clients{}, err
	}
	s, err := auth.Connect(ctx)
	if err != nil {
		return Clients{}, err
	}
	network, err1 := s.Network()
	identity, err2 := s.Identity()
	if err := errors.Join(err1, err2); err != nil {
		return Clients{}, fmt.Errorf("mtu/openstack: the catalogue: %w", err)
	}
	return Clients{network, identity}, nil
}

// Networks reads all networks, page after page. unseen says what a token of
// such rights is not shown; it belongs into the Snapshot's Unseen. An error is
// compatible with errors.Is(err, ErrDenied) where nothing may be listed.
func Networks(ctx context.Context, c Clients) (networks []mtu.Network, unseen []string, err error) {
	if c.Network == nil {
		return nil, nil, errors.New("mtu/openstack: no network API given")
	}
	who, err := openstack.WhoAmI(ctx, c.Network, c.Identity)
	switch {
	case err != nil:
		unseen = append(unseen, fmt.Sprintf("networks of other projects, perhaps: whose token it is: %v", err))
	case !who.Admin():
		unseen = append(unseen, fmt.Sprintf("networks of other projects: %s is no administrator", who))
	}
	var pages bytes.Buffer
	err = openstack.Networks(ctx, c.Network, func(page []byte) error {
		_, err := pages.Write(append(page, '\n'))
		return err
	})
	if err == nil {
		networks, err = mtu.ReadNetworks(&pages, "the network API")
	}
	if err != nil {
		return nil, unseen, fmt.Errorf("mtu/openstack: %w", err)
	}
	return networks, unseen, nil
}
