package openstack

import (
	"github.com/gophercloud/gophercloud/v2"
	sdk "github.com/gophercloud/gophercloud/v2/openstack"
)

// Network is neutron as the catalogue has it.
func (s *Session) Network() (*gophercloud.ServiceClient, error) {
	return sdk.NewNetworkV2(s.provider, s.endpoint)
}
