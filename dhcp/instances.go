package dhcp

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
)

// ReadInstances reads what is known of the instances: a list of [Instance] as
// JSON, or Neutron's answer to GET /v2.0/ports, whose device_id, binding:host_id
// and id are taken (https://docs.openstack.org/api-ref/network/v2/).
func ReadInstances(r io.Reader) ([]Instance, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxInstances+1))
	if err != nil {
		return nil, fmt.Errorf("dhcp: %w", err)
	}
	if len(b) > maxInstances {
		return nil, fmt.Errorf("dhcp: a list of instances of more than %d bytes", maxInstances)
	}
	var list []Instance
	if err := json.Unmarshal(b, &list); err == nil {
		return list, nil
	}
	var ports struct {
		Ports []struct {
			ID     string `json:"id"`
			Name   string `json:"name"`
			MAC    MAC    `json:"mac_address"`
			Device string `json:"device_id"`
			Host   string `json:"binding:host_id"`
		} `json:"ports"`
	}
	if err := json.Unmarshal(b, &ports); err != nil || ports.Ports == nil {
		return nil, fmt.Errorf("dhcp: neither a list of instances nor of Neutron's ports: %v", err)
	}
	for _, p := range ports.Ports {
		i := Instance{MAC: p.MAC, ID: p.Device, Name: p.Name, Host: p.Host, Port: p.ID}
		if len(p.ID) >= 11 {
			i.Tap = "tap" + p.ID[:11]
		}
		list = append(list, i)
	}
	return list, nil
}

// or fills what is not known of the instance with what somebody else knows.
func (i Instance) or(o Instance) Instance {
	return Instance{MAC: i.MAC, ID: cmp.Or(i.ID, o.ID), Name: cmp.Or(i.Name, o.Name), Domain: cmp.Or(i.Domain, o.Domain), Host: cmp.Or(i.Host, o.Host),
		Bridge: cmp.Or(i.Bridge, o.Bridge), Tap: cmp.Or(i.Tap, o.Tap), Port: cmp.Or(i.Port, o.Port)}
}

// maxInstances bounds the list, in bytes.
const maxInstances = 256 << 20
