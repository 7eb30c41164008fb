package mtu

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// ReadFeatures reads what `ethtool -k PORT...` printed and notes at the ports
// of h whether they take a VLAN tag beside the data. Files of `ip -d -j link`
// do not say so.
func (h *Host) ReadFeatures(r io.Reader, source string) error {
	var at *Link
	found := false
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		if name, ok := strings.CutPrefix(sc.Text(), "Features for "); ok {
			if at = h.link(strings.TrimSuffix(name, ":")); at == nil {
				return fmt.Errorf("mtu: %s: host %s has no link %s", source, h.Name, name)
			}
			continue
		}
		value, ok := strings.CutPrefix(strings.TrimSpace(sc.Text()), "tx-vlan-offload: ")
		if !ok {
			continue
		}
		if at == nil {
			return fmt.Errorf("mtu: %s: a feature stands before any link's name", source)
		}
		found = true
		at.TxVLAN = OffloadOff
		if strings.HasPrefix(value, "on") {
			at.TxVLAN = OffloadOn
		}
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("mtu: %s: %w", source, err)
	}
	if !found {
		return fmt.Errorf("mtu: %s: not what `ethtool -k` prints", source)
	}
	return nil
}

func (h *Host) link(name string) *Link {
	for i := range h.Links {
		if h.Links[i].Name == name {
			return &h.Links[i]
		}
	}
	return nil
}
