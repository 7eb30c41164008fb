// Package openstack asks Neutron for the ports of instances, and takes one down
// and up again, for the plans of package dhcp.
//
// [Instances] tells which instance has which MAC; a [Neutron] is the Port of a
// dhcp.Applier, which puts up what it took down whatever ends its run.
//
// # Privileges
//
// A port's admin state may be changed by its project's members, and by an
// administrator; whoever may not see a port is told that there is none. Without
// an administrator's token Neutron lists the own project's ports alone.
//
// # Compatibility
//
// Neutron's API v2.0, https://docs.openstack.org/api-ref/network/v2/; changes
// depend on the port's revision where Neutron has revision-if-match, since
// Pike. Made for gophercloud v2.15.0, tried with OpenStack Zed: its API, not what
// agents do to a port that is down.
package openstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/dhcp"
	"github.com/stackmend/stackmend/internal/openstack"
)

// Login logs in as python-openstackclient would: with the named cloud of
// clouds.yaml, or the one that OS_CLOUD names, else with OS_AUTH_URL and so
// on. The environment is the caller's: os.Getenv, or none of it.
func Login(ctx context.Context, cloud string, env func(string) string) (*gophercloud.ServiceClient, error) {
	auth, err := openstack.FromEnv(cloud, env)
	if err != nil {
		return nil, err
	}
	s, err := auth.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return s.Network()
}

// Instances reads all ports that the token may see, page after page.
func Instances(ctx context.Context, network *gophercloud.ServiceClient) (all []dhcp.Instance, err error) {
	err = openstack.List(ctx, network, "ports", url.Values{"limit": {"1000"}}, func(page []byte) error {
		some, err := dhcp.ReadInstances(bytes.NewReader(page))
		all = append(all, some...)
		return err
	}, "ports")
	if err != nil {
		return nil, fmt.Errorf("dhcp/openstack: %w", err)
	}
	return all, nil
}

// Neutron is a dhcp.Port. It may be used by several goroutines.
type Neutron struct{ network *gophercloud.ServiceClient }

// New makes a Neutron of a client of the network service.
func New(network *gophercloud.ServiceClient) Neutron { return Neutron{network} }

// Port reports whether the port's admin state is up. The error is compatible
// with errors.Is(err, fs.ErrNotExist) where there is no such port with this
// MAC, and fs.ErrPermission where Neutron does not let it be seen.
func (n Neutron) Port(ctx context.Context, id string, m dhcp.MAC) (up bool, err error) {
	p, err := n.get(ctx, id, m)
	if err != nil {
		return false, err
	}
	return p.AdminStateUp, nil
}

// get reads the port. It must have the MAC.
func (n Neutron) get(ctx context.Context, id string, m dhcp.MAC) (*ports.Port, error) {
	if !uuid(id) {
		return nil, fmt.Errorf("%w: %.80q is no UUID of a port", stackmend.ErrRefused, id)
	}
	p, err := ports.Get(ctx, n.network, id).Extract()
	if err != nil {
		return nil, told("GET", id, err)
	}
	if has, err := dhcp.ParseMAC(p.MACAddress); err != nil || has != m {
		return nil, fmt.Errorf("dhcp/openstack: %w: port %s has the MAC %.40q, not %s", fs.ErrNotExist, id, p.MACAddress, m)
	}
	return p, nil
}

// tries bounds how often a port is read anew that somebody else has changed in
// between, as Neutron itself does when a port's status changes.
const tries = 5

// SetPort changes the port's admin state, if the port still has the MAC, and
// reads it back. What changed between its reading and the change is read anew.
//
// Similar To: openstack port set --enable, --disable
func (n Neutron) SetPort(ctx context.Context, id string, m dhcp.MAC, up bool) error {
	for try := 1; ; try++ {
		p, err := n.get(ctx, id, m)
		if err != nil || p.AdminStateUp == up {
			return err
		}
		change := ports.UpdateOpts{AdminStateUp: &up}
		if p.RevisionNumber > 0 {
			change.RevisionNumber = &p.RevisionNumber
		}
		_, err = ports.Update(ctx, n.network, id, change).Extract()
		if gophercloud.ResponseCodeIs(err, http.StatusPreconditionFailed) && try < tries {
			continue
		}
		if err != nil {
			return told("PUT", id, err)
		}
		return n.is(ctx, id, m, up)
	}
}

// is reads back what was set.
func (n Neutron) is(ctx context.Context, id string, m dhcp.MAC, up bool) error {
	p, err := n.get(ctx, id, m)
	if err == nil && p.AdminStateUp != up {
		err = fmt.Errorf("dhcp/openstack: %w: port %s: admin_state_up is %t after it was set", stackmend.ErrNotDone, id, p.AdminStateUp)
	}
	return err
}

// uuid reports whether the id may stand in a path.
func uuid(id string) bool {
	if len(id) != 36 {
		return false
	}
	for _, c := range id {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && c != '-' {
			return false
		}
	}
	return true
}

// told says what was asked, and of an answer no more than its begin: it may be
// a proxy's page.
func told(method, id string, err error) error {
	var code gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &code) {
		return fmt.Errorf("dhcp/openstack: %s port %s: %w", method, id, err)
	}
	say := func(why error) error {
		return fmt.Errorf("dhcp/openstack: %s port %s: %w: %d: %.300q", method, id, why, code.Actual, code.Body)
	}
	switch code.Actual {
	case http.StatusNotFound:
		return say(fs.ErrNotExist)
	case http.StatusUnauthorized, http.StatusForbidden:
		return say(fs.ErrPermission)
	}
	return say(fmt.Errorf("%s", http.StatusText(code.Actual)))
}
