package dhcp

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Instances lists the network devices of the domains that run on the node, by
// their MACs: what a plan must know to pull a cable or to reach a guest's agent.
// Name is libvirt's name of the domain.
//
// Similar to: virsh list --uuid, virsh dumpxml
// (https://gitlab.com/libvirt/libvirt/-/blob/v9.0.0/docs/formatdomain.rst).
func (l Libvirt) Instances(ctx context.Context) ([]Instance, error) {
	out, err := l.run(ctx, "list", "--uuid")
	if err != nil {
		return nil, err
	}
	var all []Instance
	for _, uuid := range strings.Fields(string(out)) {
		text, err := l.virsh(ctx, "dumpxml", uuid)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		some, err := parseDomain(text)
		if err != nil {
			return nil, fmt.Errorf("dhcp: virsh dumpxml %s: %w", uuid, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// parseDomain reads the devices of a domain's XML.
func parseDomain(text []byte) (all []Instance, err error) {
	var d struct {
		Name    string `xml:"name"`
		UUID    string `xml:"uuid"`
		Devices []struct {
			MAC struct {
				Address string `xml:"address,attr"`
			} `xml:"mac"`
			Source struct {
				Bridge string `xml:"bridge,attr"`
			} `xml:"source"`
			Target struct {
				Dev string `xml:"dev,attr"`
			} `xml:"target"`
		} `xml:"devices>interface"`
	}
	if err := xml.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	for _, dev := range d.Devices {
		m, err := ParseMAC(dev.MAC.Address)
		if err != nil {
			return nil, err
		}
		all = append(all, Instance{MAC: m, ID: d.UUID, Name: d.Name, Domain: d.Name, Bridge: dev.Source.Bridge, Tap: dev.Target.Dev})
	}
	return all, nil
}
