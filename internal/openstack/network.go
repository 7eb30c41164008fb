package openstack

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
	sdk "github.com/gophercloud/gophercloud/v2/openstack"
)

// Network is neutron as the catalogue has it.
func (s *Session) Network() (*gophercloud.ServiceClient, error) {
	return sdk.NewNetworkV2(s.provider, s.endpoint)
}

// Networks hands each page of GET /v2.0/networks to each, as it came.
func Networks(ctx context.Context, c *gophercloud.ServiceClient, each func(page []byte) error) error {
	return List(ctx, c, "networks", nil, each, "networks")
}

// List hands each page of a list to each, as it came. The list is named in its
// answers, and path is where to ask for it.
func List(ctx context.Context, c *gophercloud.ServiceClient, name string, query url.Values, each func(page []byte) error, path ...string) error {
	return pages(query, func(q url.Values) (next string, err error) {
		var body []byte
		_, err = get(ctx, c, q, func(r io.Reader) (err error) {
			body, err = io.ReadAll(io.LimitReader(r, maxBody))
			return err
		}, path...)
		if err != nil {
			return "", err
		}
		if next, err = nextOf(body, name+"_links"); err != nil {
			return "", err
		}
		return next, each(body)
	})
}

// nextOf finds the link to the next page.
func nextOf(body []byte, key string) (string, error) {
	var page map[string]json.RawMessage
	if err := json.Unmarshal(body, &page); err != nil {
		return "", fmt.Errorf("openstack: not a page: %w", err)
	}
	var links []struct{ Rel, Href string }
	if raw, ok := page[key]; ok {
		if err := json.Unmarshal(raw, &links); err != nil {
			return "", fmt.Errorf("openstack: %s: %w", key, err)
		}
	}
	for _, l := range links {
		if l.Rel == "next" {
			return l.Href, nil
		}
	}
	return "", nil
}
