// Package openstack asks Neutron and Nova for the ports and servers that
// package bpdu looks for the sender of BPDUs in.
//
// # Privileges
//
// An administrator's token, or one whose role may list the ports and servers
// of all projects. With any other Neutron gives the own project's ports alone
// and does not say so: then the result's Unseen does.
//
// # Compatibility
//
// Neutron's API v2.0 and Nova's 2.1, without microversion. Made for gophercloud
// v2.15.0.
package openstack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/pagination"
	"github.com/stackmend/stackmend/bpdu"
	"github.com/stackmend/stackmend/internal/openstack"
)

// Clients are what [Read] asks.
type Clients struct{ Network, Compute, Identity *gophercloud.ServiceClient }

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
	compute, err2 := s.Compute()
	identity, err3 := s.Identity()
	if err := errors.Join(err1, err2, err3); err != nil {
		return Clients{}, fmt.Errorf("bpdu/openstack: the catalogue: %w", err)
	}
	return Clients{network, compute, identity}, nil
}

// Read reads all ports and all servers, page after page. What is denied (401,
// 403) is in the result's Unseen; any other failure is an error.
func Read(ctx context.Context, c Clients) (*bpdu.Cloud, error) {
	cloud := &bpdu.Cloud{}
	who, err := openstack.WhoAmI(ctx, c.Network, c.Identity)
	switch {
	case err != nil:
		cloud.Unseen = append(cloud.Unseen, fmt.Sprintf("whose token it is: %v", err))
	case !who.Admin():
		cloud.Unseen = append(cloud.Unseen, fmt.Sprintf("ports of other projects: %s is no administrator", who))
	}
	err = list(ctx, ports.List(c.Network, nil), "ports", cloud, cloud.ReadPorts)
	if err != nil {
		return nil, err
	}
	err = list(ctx, servers.List(c.Compute, servers.ListOpts{AllTenants: true}), "servers", cloud, cloud.ReadServers)
	if err != nil {
		return nil, err
	}
	return cloud, nil
}

// list hands page after page to the reader of the JSON form.
func list(ctx context.Context, p pagination.Pager, name string, cloud *bpdu.Cloud, read func(io.Reader) error) error {
	err := p.EachPage(ctx, func(_ context.Context, page pagination.Page) (bool, error) {
		body, ok := page.GetBody().(map[string]any)
		if !ok {
			return false, fmt.Errorf("the answer is no object")
		}
		body = maps.Clone(body)
		delete(body, name+"_links") // the next page follows
		b, err := json.Marshal(body)
		if err != nil {
			return false, err
		}
		return true, read(bytes.NewReader(b))
	})
	if gophercloud.ResponseCodeIs(err, http.StatusUnauthorized) || gophercloud.ResponseCodeIs(err, http.StatusForbidden) {
		cloud.Unseen = append(cloud.Unseen, name+": denied")
		return nil
	}
	if err != nil {
		return fmt.Errorf("bpdu/openstack: %s: %w", name, err)
	}
	return nil
}
