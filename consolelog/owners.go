package consolelog

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// domainXML is what is read of a domain: nova writes its metadata there.
// https://docs.openstack.org/nova/2023.1/user/metadata.html and
// nova/virt/libvirt/config.py, LibvirtConfigGuestMetaNovaInstance
type domainXML struct {
	Name     string `xml:"name"`
	UUID     string `xml:"uuid"`
	Instance struct {
		Name  string `xml:"name"`
		Owner struct {
			User    idXML `xml:"user"`
			Project idXML `xml:"project"`
		} `xml:"owner"`
	} `xml:"metadata>instance"`
}

type idXML struct {
	UUID string `xml:"uuid,attr"`
	Name string `xml:",chardata"`
}

// maxDomain bounds a domain's XML.
const maxDomain = 4 << 20

// ParseDomain reads whose instance a libvirt domain is. It takes the XML of
// /etc/libvirt/qemu and the status XML of /run/libvirt/qemu.
func ParseDomain(r io.Reader) (instance string, o Owner, err error) {
	d := xml.NewDecoder(io.LimitReader(r, maxDomain))
	for {
		t, err := d.Token()
		if err != nil {
			return "", o, fmt.Errorf("consolelog: no domain: %w", err)
		}
		start, ok := t.(xml.StartElement)
		if !ok || start.Name.Local != "domain" {
			continue
		}
		var x domainXML
		if err := d.DecodeElement(&x, &start); err != nil {
			return "", o, fmt.Errorf("consolelog: domain: %w", err)
		}
		n := x.Instance
		return x.UUID, Owner{Name: printable(n.Name), Domain: printable(x.Name),
			Project: n.Owner.Project.UUID, User: n.Owner.User.UUID}, nil
	}
}

// maxServers bounds the list of a cloud's servers.
const maxServers = 1 << 30

// ReadOwners reads whose instances there are, for Source.Owners, from the
// answer to GET /servers/detail?all_tenants=1, or several pages of it one after
// the other. https://docs.openstack.org/api-ref/compute/#list-servers-detailed
func ReadOwners(r io.Reader) (map[string]Owner, error) {
	out := map[string]Owner{}
	d := json.NewDecoder(io.LimitReader(r, maxServers))
	for pages := 0; ; pages++ {
		var page struct {
			Servers *[]struct {
				ID      string `json:"id"`
				Name    string `json:"name"`
				Domain  string `json:"OS-EXT-SRV-ATTR:instance_name"`
				Project string `json:"tenant_id"`
				User    string `json:"user_id"`
			} `json:"servers"`
		}
		err := d.Decode(&page)
		if errors.Is(err, io.EOF) && pages > 0 {
			return out, nil
		}
		if err == nil && page.Servers == nil {
			err = errors.New("no list of servers")
		}
		if err != nil {
			return nil, fmt.Errorf("consolelog: servers: %w", err)
		}
		for _, s := range *page.Servers {
			if s.ID == "" {
				return nil, errors.New("consolelog: servers: one has no id")
			}
			out[s.ID] = Owner{Name: printable(s.Name), Domain: printable(s.Domain), Project: printable(s.Project), User: printable(s.User)}
		}
	}
}

// readOwners gives the logs their owners: those that the caller knows from
// the API, else those of libvirt's domains.
func (s *Snapshot) readOwners(src Source) {
	owners := map[string]Owner{}
	for _, folder := range src.Domains {
		files, err := filepath.Glob(filepath.Join(folder, "*.xml"))
		if err == nil && len(files) == 0 {
			_, err = os.Stat(folder)
		}
		if err != nil {
			s.unseen("domains: %v", err)
		}
		for _, path := range files {
			s.readDomain(path, owners)
		}
	}
	for i := range s.Logs {
		l := &s.Logs[i]
		id := instanceID(l.Instance)
		o, ok := src.Owners[id]
		if !ok {
			o = owners[id]
		}
		l.Owner = o
	}
}

func (s *Snapshot) readDomain(path string, owners map[string]Owner) {
	f, err := openLog(path)
	if err == nil {
		defer f.Close()
		var id string
		var o Owner
		if id, o, err = ParseDomain(f); err == nil {
			owners[id] = o
			return
		}
	}
	s.unseen("domain %s: %v", path, err)
}

// instanceID is the UUID that an instance's folder is named for: nova adds
// _resize and _del.
func instanceID(folder string) string {
	id, _, _ := strings.Cut(folder, "_")
	return id
}
