package openstack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stackmend/stackmend/internal/novaapi"
)

// Microversion of nova is the first in which a list without filters has rows
// for what lies in a cell that does not answer.
const Microversion = "2.69"

// Nova asks the compute API at its Microversion.
type Nova struct{ client *gophercloud.ServiceClient }

// NewNova leaves the caller's client as it is.
func NewNova(c *gophercloud.ServiceClient) Nova {
	own := *c
	own.Microversion = Microversion
	if own.Type == "" {
		own.Type = "compute"
	}
	return Nova{&own}
}

// Services gives every row of os-services to each. There are no pages. A row
// of a cell that does not answer has nothing but binary, host and the status
// novaapi.Unknown.
func (n Nova) Services(ctx context.Context, each func(novaapi.Service)) error {
	header, err := get(ctx, n.client, nil, func(body io.Reader) error {
		page, err := novaapi.ReadServices(body, each)
		return whole(page, err)
	}, "os-services")
	if err != nil {
		return err
	}
	return spoken(header)
}

// Servers gives every row of servers/detail to each, page after page.
//
// A cell that does not answer shows in rows of the status novaapi.Unknown, but
// only if the query has nothing but all_tenants, and only as far as the first
// page has room: nova fills it with the servers of the other cells first
// (API.get_all of nova/compute/api.py, 26.2.2). Services has no such bound.
func (n Nova) Servers(ctx context.Context, query url.Values, each func(novaapi.Server)) error {
	return pages(query, func(q url.Values) (string, error) {
		var page novaapi.Page
		header, err := get(ctx, n.client, q, func(body io.Reader) (err error) {
			page, err = novaapi.ReadServers(body, each)
			return whole(page, err)
		}, "servers", "detail")
		if err != nil {
			return "", err
		}
		return page.Next, spoken(header)
	})
}

// whole makes a list that ends in the middle an error.
func whole(p novaapi.Page, err error) error {
	if err == nil && p.Cut {
		return fmt.Errorf("the list is cut after %d rows: %w", p.Rows, io.ErrUnexpectedEOF)
	}
	return err
}

// spoken refuses an answer of another microversion than was asked for: the
// header then got lost on its way, and rows of lost cells with it.
func spoken(h http.Header) error {
	v := h.Get("X-OpenStack-Nova-API-Version")
	if v != Microversion {
		return fmt.Errorf("openstack: nova answers in microversion %q, not %s", v, Microversion)
	}
	return nil
}
