package mtu

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ReadNetworks reads the answer to GET /v2.0/networks, from one or from
// several pages written one after another. An answer that says that there is
// another page, without that page following, is an error: part of the
// networks are not all of them.
//
// provider:* is shown to administrators only; networks without it have no
// Segments.
func ReadNetworks(r io.Reader, source string) ([]Network, error) {
	d := json.NewDecoder(r)
	var out []Network
	more := false
	for page := 1; ; page++ {
		var p networksJSON
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) && page > 1 {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("mtu: %s: page %d: %w", source, page, cut(err))
		}
		if p.Networks == nil {
			return nil, fmt.Errorf("mtu: %s: page %d has no \"networks\"", source, page)
		}
		for _, n := range *p.Networks {
			if n.ID == "" || n.MTU < 0 {
				return nil, fmt.Errorf("mtu: %s: a network has ID %q and MTU %d", source, n.ID, n.MTU)
			}
			out = append(out, n.network())
		}
		more = p.next()
	}
	if more {
		return nil, fmt.Errorf("mtu: %s: the last page says that there is another", source)
	}
	return out, nil
}

type networksJSON struct {
	Networks *[]networkJSON `json:"networks"`
	Links    []struct {
		Rel string `json:"rel"`
	} `json:"networks_links"`
}

func (p *networksJSON) next() bool {
	for _, l := range p.Links {
		if l.Rel == "next" {
			return true
		}
	}
	return false
}

type networkJSON struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	MTU  int    `json:"mtu"`
	segmentJSON
	Segments []segmentJSON `json:"segments"`
}

type segmentJSON struct {
	Type    string `json:"provider:network_type"`
	Physnet string `json:"provider:physical_network"`
	ID      int    `json:"provider:segmentation_id"`
}

func (n *networkJSON) network() Network {
	out := Network{ID: n.ID, Name: n.Name, MTU: n.MTU}
	all := n.Segments
	if n.Type != "" {
		all = append(all, n.segmentJSON)
	}
	for _, s := range all {
		out.Segments = append(out.Segments, Segment(s))
	}
	return out
}
