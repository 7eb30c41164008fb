package bpdu

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
)

// Cloud is what is known of ports and servers. A nil *Cloud: not looked.
type Cloud struct {
	Ports   []Port
	Servers []Server
	Unseen  []string // pages that are missing
}

// A Port is a Neutron port.
type Port struct {
	ID, MAC, Network, Project string
	Device                    string   // of an instance: its ID
	DeviceOwner               string   // "compute:nova", "network:dhcp"
	Host                      string   // binding:host_id; empty: not told (needs the admin role)
	VIFType, VNICType         string   // binding:vif_type, binding:vnic_type
	Allowed                   []string // MACs that it may use beside its own
}

// Tap is the name of the port's tap device on its host.
func (p Port) Tap() string { return "tap" + p.ID[:min(11, len(p.ID))] }

// A Server is a Nova server.
type Server struct {
	ID, Name, User, Project, Image, Host, Status, Created string
}

// portsPage is the JSON of GET /v2.0/ports.
type portsPage struct {
	Ports []struct {
		ID       string `json:"id"`
		MAC      string `json:"mac_address"`
		Network  string `json:"network_id"`
		Project  string `json:"project_id"`
		Tenant   string `json:"tenant_id"`
		Device   string `json:"device_id"`
		Owner    string `json:"device_owner"`
		Host     string `json:"binding:host_id"`
		VIFType  string `json:"binding:vif_type"`
		VNICType string `json:"binding:vnic_type"`
		Pairs    []struct {
			MAC string `json:"mac_address"`
		} `json:"allowed_address_pairs"`
	} `json:"ports"`
	Links []link `json:"ports_links"`
}

type link struct {
	Rel string `json:"rel"`
}

// serversPage is the JSON of GET /servers/detail.
type serversPage struct {
	Servers []struct {
		ID      string          `json:"id"`
		Name    string          `json:"name"`
		User    string          `json:"user_id"`
		Project string          `json:"tenant_id"`
		Image   json.RawMessage `json:"image"` // an object, or "" for a boot from volume
		Host    string          `json:"OS-EXT-SRV-ATTR:host"`
		Status  string          `json:"status"`
		Created string          `json:"created"`
	} `json:"servers"`
	Links []link `json:"servers_links"`
}

// maxJSON bounds what is read of one file, in bytes: a region with 200,000
// ports has about 300 MB of them.
const maxJSON = 1 << 30

// ReadPorts adds the ports of the JSON of GET /v2.0/ports, as
// "openstack port list" cannot give them:
//
//	curl -H "X-Auth-Token: $TOKEN" $NEUTRON/v2.0/ports
func (c *Cloud) ReadPorts(r io.Reader) error {
	var page portsPage
	if err := decodePage(r, "ports", &page); err != nil {
		return err
	}
	for _, p := range page.Ports {
		q := Port{ID: p.ID, MAC: mac(p.MAC), Network: p.Network, Project: cmp.Or(p.Project, p.Tenant), Device: p.Device,
			DeviceOwner: p.Owner, Host: p.Host, VIFType: p.VIFType, VNICType: p.VNICType}
		for _, a := range p.Pairs {
			if m := mac(a.MAC); m != "" && m != q.MAC && !slices.Contains(q.Allowed, m) {
				q.Allowed = append(q.Allowed, m)
			}
		}
		c.Ports = append(c.Ports, q)
	}
	c.more(page.Links, "ports")
	return nil
}

// ReadServers adds the servers of the JSON of GET /servers/detail.
func (c *Cloud) ReadServers(r io.Reader) error {
	var page serversPage
	if err := decodePage(r, "servers", &page); err != nil {
		return err
	}
	for _, s := range page.Servers {
		var image struct {
			ID string `json:"id"`
		}
		_ = json.Unmarshal(s.Image, &image) // "": no image
		c.Servers = append(c.Servers, Server{s.ID, s.Name, s.User, s.Project, image.ID, s.Host, s.Status, s.Created})
	}
	c.more(page.Links, "servers")
	return nil
}

// decodePage reads one document which must have the list.
func decodePage(r io.Reader, list string, into any) error {
	b, err := io.ReadAll(io.LimitReader(r, maxJSON+1))
	switch {
	case err != nil:
		return fmt.Errorf("bpdu: %s: %w", list, err)
	case len(b) > maxJSON:
		return fmt.Errorf("bpdu: %s: more than %d bytes", list, maxJSON)
	}
	var head map[string]json.RawMessage
	if err := json.Unmarshal(b, &head); err != nil {
		return fmt.Errorf("bpdu: %s: %w", list, err)
	}
	if _, ok := head[list]; !ok {
		return fmt.Errorf("bpdu: %s: the JSON has no %q: not the answer of the API", list, list)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("bpdu: %s: %w", list, err)
	}
	return nil
}

// more notes that a page is not the last one.
func (c *Cloud) more(links []link, list string) {
	if slices.ContainsFunc(links, func(l link) bool { return l.Rel == "next" }) {
		c.Unseen = append(c.Unseen, "further pages of "+list)
	}
}

// mac normalises a MAC address; what is none becomes empty.
func mac(s string) string {
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != 6 {
		return ""
	}
	return hw.String()
}

// A Suspect is a port that has a MAC or may use it, with its server if known.
type Suspect struct {
	Port   Port
	Server *Server // nil: not known
	Pair   bool    // the MAC is not its own: it is in its allowed address pairs
}

// ByMAC returns all ports that have the MAC, and then those that may use it. A
// MAC is easy to forge where port security is off: a single suspect is no
// proof either.
func (c *Cloud) ByMAC(address string) []Suspect {
	address = mac(address)
	if c == nil || address == "" {
		return nil
	}
	var own, pairs []Suspect
	for _, p := range c.Ports {
		switch {
		case p.MAC == address:
			own = append(own, Suspect{p, c.server(p.Device), false})
		case slices.Contains(p.Allowed, address):
			pairs = append(pairs, Suspect{p, c.server(p.Device), true})
		}
	}
	return append(own, pairs...)
}

// ByTap returns the port whose tap device has this name.
func (c *Cloud) ByTap(tap string) (Suspect, bool) {
	if c == nil {
		return Suspect{}, false
	}
	var found []Suspect
	for _, p := range c.Ports {
		if len(p.ID) >= 11 && p.Tap() == tap {
			found = append(found, Suspect{p, c.server(p.Device), false})
		}
	}
	if len(found) != 1 { // eleven digits of an ID may be two ports'
		return Suspect{}, false
	}
	return found[0], true
}

func (c *Cloud) server(id string) *Server {
	if id == "" {
		return nil
	}
	i := slices.IndexFunc(c.Servers, func(s Server) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return &c.Servers[i]
}

// String says who it is, as far as known.
func (s Suspect) String() string {
	text := "port " + s.Port.ID
	if s.Port.Device != "" {
		text += ", instance " + s.Port.Device
	}
	if s.Server != nil {
		text += fmt.Sprintf(" %q of user %s, image %s, status %s", s.Server.Name, orUnknown(s.Server.User), cmp.Or(s.Server.Image, "none (boots from a volume)"), orUnknown(s.Server.Status))
	}
	text += ", project " + orUnknown(s.Port.Project) + ", host " + orUnknown(s.Port.Host)
	if s.Pair {
		text += ", which may use it by its allowed address pairs"
	}
	if s.Port.DeviceOwner != "" && !strings.HasPrefix(s.Port.DeviceOwner, "compute:") {
		text += ", owned by " + s.Port.DeviceOwner
	}
	return text
}

func orUnknown(s string) string { return cmp.Or(s, "(not told)") }
