// Package novaapi reads the JSON of the compute API as services really send
// it: of any microversion, of cells that do not answer, cut, paged, or an
// error's body in place of a list. It speaks to nobody.
//
// Forms: https://docs.openstack.org/api-ref/compute/ and, of rows without
// most of their keys, https://docs.openstack.org/api-guide/compute/down_cells.html
package novaapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Unknown is the status of a row whose cell did not answer.
const Unknown = "UNKNOWN"

// Service is one row of os-services.
type Service struct {
	Binary, Host   string
	State, Status  string
	DisabledReason string
	ForcedDown     bool
	Updated        time.Time // UTC; zero: null or not told
}

// Server is one row of servers/detail.
type Server struct {
	ID, Name, Status, Project string
	Host                      string // empty: null
	Image                     string // empty: booted from a volume, or not told
	Volumes                   int    // attached
	HostTold                  bool   // administrators alone are told the host
	CertsTold                 bool   // trusted_image_certificates: 2.63 and later
}

// text is a string that may be null or absent.
type text struct {
	value string
	told  bool
}

func (t *text) UnmarshalJSON(b []byte) error {
	t.told = true
	if string(b) == "null" {
		return nil
	}
	return json.Unmarshal(b, &t.value)
}

// UnmarshalJSON takes a row of any microversion. A row without a host or a
// binary is an error.
func (s *Service) UnmarshalJSON(b []byte) error {
	var row struct {
		Binary   text `json:"binary"`
		Host     text `json:"host"`
		State    text `json:"state"`
		Status   text `json:"status"`
		Reason   text `json:"disabled_reason"`
		Forced   bool `json:"forced_down"`
		Updated  text `json:"updated_at"`
		Disabled bool `json:"disabled"`
	}
	if err := json.Unmarshal(b, &row); err != nil {
		return err
	}
	updated, err := parseTime(row.Updated.value)
	if err != nil {
		return err
	}
	*s = Service{Binary: row.Binary.value, Host: row.Host.value, State: row.State.value, Status: row.Status.value,
		DisabledReason: row.Reason.value, ForcedDown: row.Forced, Updated: updated}
	if s.Binary == "" || s.Host == "" {
		return fmt.Errorf("a service without binary or host: %s", clip(b))
	}
	return nil
}

// UnmarshalJSON takes a row of any microversion. A row without an id is an
// error.
func (s *Server) UnmarshalJSON(b []byte) error {
	var row struct {
		ID      text              `json:"id"`
		Name    text              `json:"name"`
		Status  text              `json:"status"`
		Project text              `json:"tenant_id"`
		Host    text              `json:"OS-EXT-SRV-ATTR:host"`
		Image   image             `json:"image"`
		Volumes []json.RawMessage `json:"os-extended-volumes:volumes_attached"`
		Certs   json.RawMessage   `json:"trusted_image_certificates"`
	}
	if err := json.Unmarshal(b, &row); err != nil {
		return err
	}
	*s = Server{ID: row.ID.value, Name: row.Name.value, Status: row.Status.value, Project: row.Project.value,
		Host: row.Host.value, Image: string(row.Image), Volumes: len(row.Volumes),
		HostTold: row.Host.told, CertsTold: row.Certs != nil}
	if s.ID == "" {
		return fmt.Errorf("a server without id: %s", clip(b))
	}
	return nil
}

// image is the id of {"id": ...}; "" and null mean a boot from volume.
type image string

func (i *image) UnmarshalJSON(b []byte) error {
	if b = bytes.TrimSpace(b); string(b) == `""` || string(b) == "null" {
		return nil
	}
	var ref struct{ ID string }
	if err := json.Unmarshal(b, &ref); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	if ref.ID == "" {
		return errors.New("an image without id")
	}
	*i = image(ref.ID)
	return nil
}

// parseTime takes the times of nova, which are UTC with and without saying so.
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", time.RFC3339, "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil { // fractions are taken unasked
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("a time of no known form: %.40q", s)
}

func clip(b []byte) string { return fmt.Sprintf("%.120q", b) }
