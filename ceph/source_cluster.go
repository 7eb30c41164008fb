package ceph

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// readVersions reads `versions`.
func (s *Snapshot) readVersions(r io.Reader) error {
	var kinds map[string]map[string]int
	if err := decodeJSON(r, &kinds); err != nil {
		return err
	}
	if len(kinds["overall"]) == 0 {
		return errors.New("ceph: versions without any")
	}
	var found []Versions
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		for text, n := range kinds[kind] {
			v, err := ParseVersion(text)
			if err != nil {
				return err
			}
			found = append(found, Versions{kind, v, n})
		}
	}
	slices.SortFunc(found, func(a, b Versions) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), a.Version.Compare(b.Version), a.Count-b.Count)
	})
	s.Versions = found
	return nil
}

// readMgr reads `mgr dump`.
func (s *Snapshot) readMgr(r io.Reader) error {
	var m struct {
		Available *bool  `json:"available"`
		Name      string `json:"active_name"`
		Standbys  []any  `json:"standbys"`
	}
	if err := decodeJSON(r, &m); err != nil {
		return err
	}
	if m.Available == nil {
		return errors.New("ceph: mgr dump does not say whether the manager is available")
	}
	s.Mgr = Mgr{Seen: true, Available: *m.Available, Name: m.Name, Standbys: len(m.Standbys)}
	return nil
}

// readConfig reads `config dump`. Values whose names speak of secrets are not
// kept.
func (s *Snapshot) readConfig(r io.Reader) error {
	var all *[]struct {
		Section, Name, Value, Mask string
	}
	if err := decodeJSON(r, &all); err != nil {
		return err
	}
	if all == nil {
		return errors.New("ceph: config dump is null")
	}
	s.Config = make([]Setting, 0, len(*all))
	for _, e := range *all {
		if secretName.MatchString(e.Name) {
			e.Value = removed
		}
		s.Config = append(s.Config, Setting{e.Section, e.Mask, e.Name, e.Value})
	}
	return nil
}

// readCrashes reads `crash ls`.
func (s *Snapshot) readCrashes(r io.Reader) error {
	var all *[]struct {
		ID        string `json:"crash_id"`
		Entity    string `json:"entity_name"`
		Timestamp string `json:"timestamp"`
	}
	if err := decodeJSON(r, &all); err != nil {
		return err
	}
	if all == nil {
		return errors.New("ceph: crash ls is null")
	}
	found := make([]Crash, 0, len(*all))
	for _, c := range *all {
		at, err := parseTime(c.Timestamp)
		if err != nil {
			return err
		}
		found = append(found, Crash{c.ID, c.Entity, at})
	}
	s.Crashes = found
	return nil
}

// readBalancer reads `balancer status`.
func (s *Snapshot) readBalancer(r io.Reader) error {
	var b struct {
		Active *bool  `json:"active"`
		Mode   string `json:"mode"`
	}
	if err := decodeJSON(r, &b); err != nil {
		return err
	}
	if b.Active == nil {
		return errors.New("ceph: balancer status does not say whether it is active")
	}
	s.Balancer = &Balancer{*b.Active, b.Mode}
	return nil
}

// parseTime reads the forms in which releases write an instant:
// 2026-11-22T08:21:30.415517+0000 (Octopus and newer), with Z (crash), and
// 2019-07-30 13:45:46.527341 in the monitors' own time zone, taken for UTC,
// (Nautilus and older).
func parseTime(text string) (time.Time, error) {
	layouts := []string{"2006-01-02T15:04:05.999999999Z0700", time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z", "2006-01-02 15:04:05.999999999"}
	var first error
	for _, l := range layouts {
		t, err := time.Parse(l, text)
		if err == nil {
			return t.UTC(), nil
		}
		first = cmp.Or(first, err)
	}
	return time.Time{}, first
}
