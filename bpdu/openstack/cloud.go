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
// Neutron's API v2.0 and Nova's 2.1; cells that do not answer are told by Nova
// since Stein (microversion 2.69). Made for gophercloud
// v2.15.0.
package openstack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stackmend/stackmend/bpdu"
	"github.com/stackmend/stackmend/internal/novaapi"
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
	// By itself Neutron puts all ports of a region on one page.
	limit := url.Values{"limit": {"1000"}}
	if err := list(ctx, cloud, c.Network, "ports", limit, cloud.ReadPorts, "ports"); err != nil {
		return nil, err
	}
	all := url.Values{"all_tenants": {"true"}}
	if err := list(ctx, cloud, c.Compute, "servers", all, cloud.ReadServers, "servers", "detail"); err != nil {
		return nil, err
	}
	cells(ctx, cloud, c.Compute)
	return cloud, nil
}

// list hands page after page to the reader of the JSON form, and notes what is
// denied.
func list(ctx context.Context, cloud *bpdu.Cloud, c *gophercloud.ServiceClient, name string, query url.Values, read func(io.Reader) error, path ...string) error {
	err := openstack.List(ctx, c, name, query, func(page []byte) error {
		var body map[string]json.RawMessage
		if err := json.Unmarshal(page, &body); err != nil {
			return err
		}
		delete(body, name+"_links") // the next page follows
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		return read(bytes.NewReader(b))
	}, path...)
	if errors.Is(err, openstack.ErrDenied) {
		cloud.Unseen = append(cloud.Unseen, name+": denied")
		return nil
	}
	if err != nil {
		return fmt.Errorf("bpdu/openstack: %s: %w", name, err)
	}
	return nil
}

// cells looks for cells that do not answer: their servers are missing from the
// list without a sign.
func cells(ctx context.Context, cloud *bpdu.Cloud, compute *gophercloud.ServiceClient) {
	err := openstack.NewNova(compute).Services(ctx, func(s novaapi.Service) {
		if s.Status == novaapi.Unknown {
			cloud.Unseen = append(cloud.Unseen, fmt.Sprintf("servers of the cell of %q: it does not answer", s.Host))
		}
	})
	if err != nil {
		cloud.Unseen = append(cloud.Unseen, fmt.Sprintf("servers of cells that do not answer, perhaps: %v", err))
	}
}
