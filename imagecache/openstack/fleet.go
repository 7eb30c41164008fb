// Package openstack tells package imagecache what nova and glance know: which
// computes and instances there are, and which images. It asks, and changes
// nothing.
//
// Start with [New]; hand what it returns to [imagecache.Observe] in its
// Sources.
//
// # Privileges
//
// A token with the role admin (of any project), or one of [Fleet.AdminRoles]
// to which the policies of nova give all of os_compute_api:os-services:list,
// os_compute_api:servers:detail:get_all_tenants and
// os_compute_api:os-extended-server-attributes. With less, nothing is taken
// for complete, so nothing is ever found unused: a read-only user gets every
// other finding.
//
// # Compatibility
//
// Nova since Stein (microversion 2.69); the answers of nova 26.2.2 and glance
// of OpenStack Zed are in the tests. What the rows of cells that do not answer
// look like: https://docs.openstack.org/api-guide/compute/down_cells.html
package openstack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stackmend/stackmend/imagecache"
	"github.com/stackmend/stackmend/internal/novaapi"
	"github.com/stackmend/stackmend/internal/openstack"
)

// Errors of asking, for errors.Is.
var (
	// ErrDenied: 401 or 403; the token may not see all of the fleet.
	ErrDenied = openstack.ErrDenied
	// ErrPaging: the pages of a list do not end.
	ErrPaging = openstack.ErrPaging
)

// DefaultTimeout bounds one reading of the fleet. Nova answers late when a
// cell's database does: it retries for more than two minutes.
const DefaultTimeout = 5 * time.Minute

// Fleet is an [imagecache.FleetReader] over the compute API. Its zero value
// asks nobody and errs. It is safe for use by several goroutines if its
// clients are.
type Fleet struct {
	Compute  *gophercloud.ServiceClient
	Identity *gophercloud.ServiceClient // nil: what the login of Compute said is believed
	// AdminRoles are the roles that see every project. Nil: admin.
	AdminRoles []string
	Timeout    time.Duration // of one reading; zero: DefaultTimeout
}

// New returns a Fleet over clients that are logged in. identity may be nil if
// the program itself logged in with a password or an application credential.
// The clients stay as they are: another microversion than theirs is used.
func New(compute, identity *gophercloud.ServiceClient) *Fleet {
	return &Fleet{Compute: compute, Identity: identity}
}

// Fleet reads the services of all cells, then the servers of all projects and
// cells twice (nova tells of cells that do not answer only in a list without
// filters, and of what is soft-deleted only with one), then the services
// again: a cell may be lost in between, and a list of servers that fills its
// first page says nothing of lost cells.
//
// What may make the lists less than whole is in Incomplete. An error means
// that a list could not be read to its end: ErrDenied, ErrPaging,
// imagecache.ErrNoFleet for an empty one, or an error of the transport, of
// ctx or of Timeout.
func (f *Fleet) Fleet(ctx context.Context) (imagecache.Fleet, error) {
	if f.Compute == nil {
		return imagecache.Fleet{}, errors.New("imagecache/openstack: no compute API given")
	}
	timeout := f.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout,
		fmt.Errorf("imagecache/openstack: nova did not tell all within %v: %w", timeout, context.DeadlineExceeded))
	defer cancel()
	r := reading{nova: openstack.NewNova(f.Compute), lost: map[string]bool{}, servers: map[imagecache.Server]bool{}}
	err := r.all(ctx, f)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	if err != nil {
		return imagecache.Fleet{}, err
	}
	return r.fleet()
}

// reading is one reading of the fleet.
type reading struct {
	nova     openstack.Nova
	at       time.Time
	services []imagecache.Service // as they are at the end
	servers  map[imagecache.Server]bool
	lost     map[string]bool // computes whose cell did not answer
	unknown  int             // servers whose cell did not answer
	hostless int
	why      []string
}

func (r *reading) all(ctx context.Context, f *Fleet) error {
	r.at = time.Now()
	if err := r.computes(ctx); err != nil {
		return err
	}
	if err := r.who(ctx, f); err != nil {
		return err
	}
	for _, q := range []url.Values{{"all_tenants": {"1"}}, {"all_tenants": {"1"}, "soft_deleted": {"true"}}} {
		if err := r.nova.Servers(ctx, q, r.server); err != nil {
			return err
		}
	}
	return r.computes(ctx)
}

// who asks after the services: a token that had ended is then a new one.
func (r *reading) who(ctx context.Context, f *Fleet) error {
	w, err := openstack.WhoAmI(ctx, f.Compute, f.Identity)
	if err != nil {
		return err
	}
	if !w.Admin(f.AdminRoles...) {
		r.why = append(r.why, w.String()+" is no administrator: lists may be of the own project alone")
	}
	return nil
}

func (r *reading) computes(ctx context.Context) error {
	r.services = nil
	return r.nova.Services(ctx, func(s novaapi.Service) {
		if s.Binary != "nova-compute" {
			return
		}
		if s.Status == novaapi.Unknown || s.State == "" {
			r.lost[s.Host] = true
		}
		r.services = append(r.services, imagecache.Service{Host: s.Host, State: s.State, Status: s.Status,
			Disabled: s.DisabledReason, ForcedDown: s.ForcedDown, Updated: s.Updated})
	})
}

func (r *reading) server(s novaapi.Server) {
	switch {
	case s.Status == novaapi.Unknown:
		r.unknown++
	case !s.HostTold:
		r.hostless++
	}
	r.servers[imagecache.Server{ID: s.ID, Name: s.Name, Host: s.Host, Status: s.Status, Image: s.Image, VolumesAttached: s.Volumes > 0}] = true
}

// fleet is what was read, sorted, with why it may not be all.
func (r *reading) fleet() (imagecache.Fleet, error) {
	for host := range r.lost {
		r.why = append(r.why, fmt.Sprintf("the cell of compute %q did not answer", host))
	}
	if r.unknown > 0 {
		r.why = append(r.why, fmt.Sprintf("%d servers are of status UNKNOWN: their cell did not answer", r.unknown))
	}
	if r.hostless > 0 {
		r.why = append(r.why, fmt.Sprintf("nova does not tell the host of %d servers: the token is no administrator's", r.hostless))
	}
	// One list of servers stands for the two that were asked for.
	lists := imagecache.List{Services: r.services, Servers: slices.Collect(maps.Keys(r.servers)), At: r.at}
	fleet, err := imagecache.JoinFleet(lists, lists, lists)
	fleet.Incomplete = append(fleet.Incomplete, r.why...)
	slices.Sort(fleet.Incomplete)
	return fleet, err
}
