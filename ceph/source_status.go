package ceph

import (
	"errors"
	"io"
	"maps"
	"slices"
)

// Health is Ceph's own opinion.
type Health struct {
	Status string // HEALTH_OK, HEALTH_WARN, HEALTH_ERR; empty: not seen
	Checks []HealthCheck
}

// A HealthCheck that Ceph raised, sorted by code.
type HealthCheck struct {
	Code, Severity, Summary string
	Details                 []string // the first of them
	Muted                   bool
}

// maxDetails of a health check are kept.
const maxDetails = 20

type healthJSON struct {
	Status string `json:"status"`
	Checks map[string]struct {
		Severity string
		Summary  struct{ Message string }
		Detail   []struct{ Message string }
		Muted    bool
	} `json:"checks"`
}

// readHealth reads `health detail`.
func (s *Snapshot) readHealth(r io.Reader) error {
	var h healthJSON
	if err := decodeJSON(r, &h); err != nil {
		return err
	}
	if h.Status == "" {
		return errors.New("ceph: health without a status")
	}
	s.Health = Health{Status: h.Status}
	for _, code := range slices.Sorted(maps.Keys(h.Checks)) {
		c := h.Checks[code]
		check := HealthCheck{Code: code, Severity: c.Severity, Summary: c.Summary.Message, Muted: c.Muted}
		for _, d := range c.Detail[:min(len(c.Detail), maxDetails)] {
			check.Details = append(check.Details, d.Message)
		}
		s.Health.Checks = append(s.Health.Checks, check)
	}
	return nil
}

// Check returns the health check with this code, or nil.
func (h Health) Check(code string) *HealthCheck {
	i := slices.IndexFunc(h.Checks, func(c HealthCheck) bool { return c.Code == code })
	if i < 0 {
		return nil
	}
	return &h.Checks[i]
}

// Recovery is what `status` says of the movement of data, for the cluster.
type Recovery struct {
	Seen bool
	// The rates are means of the last seconds; Ceph leaves them out, and they
	// are 0, when nothing moves.
	ObjectsPerSecond, BytesPerSecond float64
	Degraded, Misplaced, Unfound     int64 // objects
	DegradedOf, MisplacedOf          int64 // object copies there should be
	States                           map[string]int
	PGs                              int
	Objects, Bytes                   int64
}

type statusJSON struct {
	FSID   string       `json:"fsid"`
	OSDMap statusOSDMap `json:"osdmap"`
	PGMap  *struct {
		States []struct {
			Name  string `json:"state_name"`
			Count int    `json:"count"`
		} `json:"pgs_by_state"`
		PGs         int     `json:"num_pgs"`
		Objects     int64   `json:"num_objects"`
		Bytes       int64   `json:"data_bytes"`
		Degraded    int64   `json:"degraded_objects"`
		DegradedOf  int64   `json:"degraded_total"`
		Misplaced   int64   `json:"misplaced_objects"`
		MisplacedOf int64   `json:"misplaced_total"`
		Unfound     int64   `json:"unfound_objects"`
		ObjectRate  float64 `json:"recovering_objects_per_sec"`
		ByteRate    float64 `json:"recovering_bytes_per_sec"`
	} `json:"pgmap"`
}

type statusOSDMap struct {
	Epoch  int           `json:"epoch"`
	Nested *statusOSDMap `json:"osdmap"` // before Octopus
}

// readStatus reads `status`.
func (s *Snapshot) readStatus(r io.Reader) error {
	var st statusJSON
	if err := decodeJSON(r, &st); err != nil {
		return err
	}
	if st.FSID == "" || st.PGMap == nil {
		return errors.New("ceph: status without fsid or pgmap")
	}
	if s.FSID == "" {
		s.FSID = st.FSID
	}
	if s.EpochEnd = st.OSDMap.Epoch; st.OSDMap.Nested != nil {
		s.EpochEnd = st.OSDMap.Nested.Epoch
	}
	p := st.PGMap
	s.Recovery = Recovery{
		Seen: true, ObjectsPerSecond: p.ObjectRate, BytesPerSecond: p.ByteRate,
		Degraded: p.Degraded, DegradedOf: p.DegradedOf, Misplaced: p.Misplaced, MisplacedOf: p.MisplacedOf,
		Unfound: p.Unfound, PGs: p.PGs, Objects: p.Objects, Bytes: p.Bytes, States: map[string]int{},
	}
	for _, n := range p.States {
		s.Recovery.States[n.Name] += n.Count
	}
	return nil
}
