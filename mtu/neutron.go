package mtu

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const defaultGlobalPhysnetMTU = 1500

// number returns the setting as a number, or what it is when it was not made.
func (s Setting) number(unset int) (int, error) {
	if !s.Set() || strings.TrimSpace(s.Value) == "" {
		return unset, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(s.Value))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("mtu: %s is no number of bytes", s)
	}
	return n, nil
}

// physnetMTUs reads physnet:MTU pairs.
func (c *Config) physnetMTUs() (map[string]int, error) {
	pairs, err := mappings(c.PhysnetMTUs)
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for _, p := range pairs {
		n, err := strconv.Atoi(p.Interface)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("mtu: %s: %q is no number of bytes", c.PhysnetMTUs.Source, p.Interface)
		}
		out[p.Physnet] = n
	}
	return out, nil
}

// SegmentMTU returns the MTU that neutron gives a network of this segment
// with this configuration, and 0 where neutron bounds it by nothing (get_mtu
// in neutron/plugins/ml2/drivers/helpers.py, type_tunnel.py, type_geneve.py
// and type_vlan.py at tag 21.0.0; the overheads are neutron-lib's, 3.1.0).
func (c *Config) SegmentMTU(s Segment) (int, error) {
	global, err := c.GlobalPhysnetMTU.number(defaultGlobalPhysnetMTU)
	if err != nil {
		return 0, err
	}
	var bounds []int
	bound := func(n int) {
		if n > 0 {
			bounds = append(bounds, n)
		}
	}
	bound(global)
	switch s.Type {
	case "flat", "vlan":
		m, err := c.physnetMTUs()
		if err != nil {
			return 0, err
		}
		bound(m[s.Physnet])
		return least(bounds), nil
	case "vxlan", "gre", "geneve":
		p, err := c.PathMTU.number(0)
		if err != nil {
			return 0, err
		}
		bound(p)
		add, err := c.encapsulation(s.Type)
		if err != nil || len(bounds) == 0 {
			return 0, err
		}
		return max(least(bounds)-add, 0), nil
	case "local":
		return least(bounds), nil
	}
	return 0, fmt.Errorf("mtu: network type %q is not known", s.Type)
}

func least(bounds []int) int {
	if len(bounds) == 0 {
		return 0
	}
	return slices.Min(bounds)
}

// encapsulation is neutron's own figure for a tunnel's overhead.
func (c *Config) encapsulation(kind string) (int, error) {
	ip, err := c.OverlayIPVersion.number(4)
	if err != nil {
		return 0, err
	}
	header := ipv4Header
	switch ip {
	case 4:
	case 6:
		header = ipv6Header
	default:
		return 0, fmt.Errorf("mtu: %s: there is no such IP", c.OverlayIPVersion)
	}
	switch kind {
	case "gre":
		return header + greHeader + 4 + etherHeader, nil // with a key
	case "geneve":
		n, err := c.GeneveHeader.number(udpHeader + geneveBase + etherHeader)
		return header + n, err
	default:
		return header + udpHeader + vxlanHeader + etherHeader, nil
	}
}
