package mtu

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
)

// MaxLinks is how many links one host may have before its list is taken for
// damaged.
const MaxLinks = 1 << 20

// ReadLinks reads what `ip -d -j link` or `ip -d -j addr` printed; the latter
// also tells the addresses, by which the link under a tunnel is found. Only
// the links are held in memory, never the text.
//
// Text that is cut, is not such a list, or names a link twice is an error.
func ReadLinks(r io.Reader, host, source string) (Host, error) {
	h := Host{Name: host, Source: source}
	d := json.NewDecoder(r)
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return Host{}, fmt.Errorf("mtu: %s: not the list that `ip -d -j link` prints: %w", source, orUnexpected(err))
	}
	below := map[int]string{} // by position: the name of what the link stands on
	master := map[int]string{}
	for d.More() {
		var j linkJSON
		if err := d.Decode(&j); err != nil {
			return Host{}, fmt.Errorf("mtu: %s: link %d: %w", source, len(h.Links)+1, cut(err))
		}
		if j.Name == "" && j.Index == 0 {
			continue // iproute2 prints {} for a link that a filter left out
		}
		l, err := j.link()
		if err != nil {
			return Host{}, fmt.Errorf("mtu: %s: link %d: %w", source, len(h.Links)+1, err)
		}
		if len(h.Links) == MaxLinks {
			return Host{}, fmt.Errorf("mtu: %s: more than %d links", source, MaxLinks)
		}
		below[len(h.Links)], master[len(h.Links)] = j.below(), j.Master
		h.Links = append(h.Links, l)
	}
	if _, err := d.Token(); err != nil {
		return Host{}, fmt.Errorf("mtu: %s: %w", source, cut(err))
	}
	return h, h.resolve(below, master)
}

func orUnexpected(err error) error {
	if err == nil {
		return errors.New("it begins otherwise")
	}
	return cut(err)
}

// cut makes the end of a file in the middle of it look like what it is.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// resolve turns names into indexes, now that all are known.
func (h *Host) resolve(below, master map[int]string) error {
	index := make(map[string]int, len(h.Links))
	seen := make(map[int]bool, len(h.Links))
	for _, l := range h.Links {
		if _, twice := index[l.Name]; twice || seen[l.Index] {
			return fmt.Errorf("mtu: %s: link %d %q is listed twice; is this the output of more than one host?", h.Source, l.Index, l.Name)
		}
		index[l.Name], seen[l.Index] = l.Index, true
	}
	for i := range h.Links {
		l := &h.Links[i]
		if name := below[i]; name != "" {
			if l.Kind == Veth {
				l.Peer = index[name]
			} else if l.Parent = index[name]; l.Parent == 0 {
				h.Unseen = append(h.Unseen, fmt.Sprintf("%s stands on %s, which the list does not have", l.Name, name))
				l.Elsewhere = true
			}
		}
		if name := master[i]; name != "" {
			if l.Master = index[name]; l.Master == 0 {
				h.Unseen = append(h.Unseen, fmt.Sprintf("%s is a port of %s, which the list does not have", l.Name, name))
			}
		}
	}
	return nil
}

// linkJSON is what this package needs of iproute2's ip/ipaddress.c.
type linkJSON struct {
	Index     int      `json:"ifindex"`
	Link      *string  `json:"link"`
	LinkIndex int      `json:"link_index"`
	NetNSID   *int     `json:"link_netnsid"`
	Name      string   `json:"ifname"`
	Flags     []string `json:"flags"`
	MTU       int      `json:"mtu"`
	MinMTU    int      `json:"min_mtu"`
	MaxMTU    int      `json:"max_mtu"`
	Master    string   `json:"master"`
	State     string   `json:"operstate"`
	Type      string   `json:"link_type"`
	Info      struct {
		Kind      string          `json:"info_kind"`
		Data      json.RawMessage `json:"info_data"`
		SlaveKind string          `json:"info_slave_kind"`
	} `json:"linkinfo"`
	Addresses []struct {
		Local string `json:"local"`
	} `json:"addr_info"`
}

// infoJSON is the kinds' own part. Numbers may come as text (keys are
// printed as dotted quads), so that only what is needed is decoded.
type infoJSON struct {
	ID         json.RawMessage `json:"id"`
	Protocol   json.RawMessage `json:"protocol"`
	Mode       json.RawMessage `json:"mode"`
	Link       json.RawMessage `json:"link"`
	Local      json.RawMessage `json:"local"`
	Local6     json.RawMessage `json:"local6"`
	Remote     json.RawMessage `json:"remote"`
	Remote6    json.RawMessage `json:"remote6"`
	Group      json.RawMessage `json:"group"`
	Group6     json.RawMessage `json:"group6"`
	OKey       json.RawMessage `json:"okey"`
	OSum       bool            `json:"ocsum"`
	External   bool            `json:"external"`
	EncapLimit int             `json:"encap_limit"`
}

func (j *linkJSON) below() string {
	if j.Link != nil && j.NetNSID == nil {
		return *j.Link
	}
	var i infoJSON
	if j.Info.Data != nil && json.Unmarshal(j.Info.Data, &i) == nil {
		return text(i.Link)
	}
	return ""
}

func (j *linkJSON) link() (Link, error) {
	if j.Index <= 0 || j.Name == "" {
		return Link{}, fmt.Errorf("it has index %d and name %q", j.Index, j.Name)
	}
	if j.MTU < 0 || j.MinMTU < 0 || j.MaxMTU < 0 {
		return Link{}, fmt.Errorf("%s has an MTU of %d (%d to %d)", j.Name, j.MTU, j.MinMTU, j.MaxMTU)
	}
	l := Link{
		Name: j.Name, Index: j.Index, Kind: Kind(j.Info.Kind), MTU: j.MTU, MinMTU: j.MinMTU, MaxMTU: j.MaxMTU,
		Up: slices.Contains(j.Flags, "UP"), Carrier: j.State == "UP" || j.State == "UNKNOWN",
		Elsewhere: j.NetNSID != nil,
	}
	if j.Type == "loopback" {
		l.Kind = Loopback
	}
	if l.Elsewhere && l.Kind == Veth {
		l.Peer = j.LinkIndex
	}
	for _, a := range j.Addresses {
		if ip, err := netip.ParseAddr(a.Local); err == nil {
			l.Addresses = append(l.Addresses, ip)
		}
	}
	var i infoJSON
	if j.Info.Data != nil {
		if err := json.Unmarshal(j.Info.Data, &i); err != nil {
			return Link{}, fmt.Errorf("%s: %w", j.Name, err)
		}
	}
	i.into(&l)
	return l, nil
}

func (i *infoJSON) into(l *Link) {
	switch {
	case l.Kind == VLAN:
		l.Tag = Tag{ID: number(i.ID), Protocol: text(i.Protocol)}
	case l.Kind == Bond:
		l.Mode = text(i.Mode)
	case l.Kind.IsTunnel():
		l.Tunnel = Tunnel{
			Local: address(i.Local, i.Local6), Remote: address(i.Remote, i.Remote6, i.Group, i.Group6),
			ID: int64(number(i.ID)), Key: i.OKey != nil, Sum: i.OSum, External: i.External, EncapLimit: i.EncapLimit > 0,
		}
		l.Tunnel.outer(l.Kind)
	}
}

// outer finds out which IP the outer packet is.
func (t *Tunnel) outer(k Kind) {
	t.IPv6 = k == IP6GRE || k == IP6GRETap || k == IP6Tunnel ||
		t.Remote.Is6() || t.Local.Is6()
	if t.External {
		t.ID = -1
	}
}

func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}

func number(raw json.RawMessage) int {
	var n int
	_ = json.Unmarshal(raw, &n)
	return n
}

func address(raws ...json.RawMessage) netip.Addr {
	for _, raw := range raws {
		if a, err := netip.ParseAddr(text(raw)); err == nil && !a.IsUnspecified() {
			return a
		}
	}
	return netip.Addr{}
}
