package ceph

import (
	"errors"
	"io"
	"math"
	"slices"
	"strings"
)

// osdMapJSON is what is read of `osd dump` (OSDMap::dump, src/osd/OSDMap.cc).
type osdMapJSON struct {
	Epoch    int        `json:"epoch"`
	FSID     string     `json:"fsid"`
	Flags    *string    `json:"flags"`
	Require  string     `json:"require_osd_release"`
	LastUp   string     `json:"last_up_change"` // Nautilus and newer
	Full     float64    `json:"full_ratio"`
	Backfill float64    `json:"backfillfull_ratio"`
	Near     float64    `json:"nearfull_ratio"`
	Pools    []poolJSON `json:"pools"`
	OSDs     *[]osdJSON `json:"osds"`

	NodeFlags map[string][]string `json:"crush_node_flags"` // Octopus and newer
}

type poolJSON struct {
	ID        int    `json:"pool"`
	Name      string `json:"pool_name"`
	FlagNames string `json:"flags_names"`
	Type      int    `json:"type"`
	Size      int    `json:"size"`
	MinSize   int    `json:"min_size"`
	Rule      int    `json:"crush_rule"`
	PGs       int    `json:"pg_num"`
	Target    int    `json:"pg_num_target"` // Nautilus and newer
	Placement int    `json:"pg_placement_num"`
	Autoscale string `json:"pg_autoscale_mode"`
	Bytes     int64  `json:"quota_max_bytes"`
	Objects   int64  `json:"quota_max_objects"`
}

type osdJSON struct {
	ID         int       `json:"osd"`
	Up         int       `json:"up"`
	In         int       `json:"in"`
	Weight     float64   `json:"weight"`
	UpFrom     int       `json:"up_from"`
	DownAt     int       `json:"down_at"`
	CleanBegin int       `json:"last_clean_begin"`
	CleanEnd   int       `json:"last_clean_end"`
	LostAt     int       `json:"lost_at"`
	State      []string  `json:"state"`
	Addrs      addrsJSON `json:"public_addrs"` // Nautilus and newer
}

type addrsJSON struct {
	Vec []struct {
		Nonce int64 `json:"nonce"`
	} `json:"addrvec"`
}

// typeErasure is pg_pool_t::TYPE_ERASURE.
const typeErasure = 3

func (s *Snapshot) readOSDMap(r io.Reader) error {
	var m osdMapJSON
	if err := decodeJSON(r, &m); err != nil {
		return err
	}
	if m.Epoch <= 0 || m.Flags == nil || m.OSDs == nil {
		return errors.New("ceph: an OSD map without epoch, flags or osds")
	}
	s.Epoch, s.FSID, s.Require = m.Epoch, m.FSID, m.Require
	if at, err := parseTime(m.LastUp); err == nil && at.Year() > 1970 {
		s.LastUpChange = at
	}
	s.Full = Ratios{m.Near, m.Backfill, m.Full}
	s.Flags = strings.FieldsFunc(*m.Flags, func(r rune) bool { return r == ',' })
	slices.Sort(s.Flags)
	for node, flags := range m.NodeFlags {
		slices.Sort(flags)
		m.NodeFlags[node] = flags
	}
	s.NodeFlags = m.NodeFlags
	s.Pools = make([]Pool, 0, len(m.Pools))
	for _, p := range m.Pools {
		s.Pools = append(s.Pools, p.pool())
	}
	slices.SortFunc(s.Pools, func(a, b Pool) int { return a.ID - b.ID })
	return s.setOSDs(*m.OSDs)
}

func (p poolJSON) pool() Pool {
	target := p.Target
	if target == 0 { // before Nautilus pg_num only grows, at once
		target = p.PGs
	}
	return Pool{
		ID: p.ID, Name: p.Name, Size: p.Size, MinSize: p.MinSize, Erasure: p.Type == typeErasure,
		PGs: p.PGs, PGsTarget: target, Placement: p.Placement, Autoscale: p.Autoscale, CrushRule: p.Rule,
		AllowsECOptimisations: strings.Contains(p.FlagNames, "ec_optimizations"),
		QuotaBytes:            p.Bytes, QuotaObject: p.Objects,
	}
}

func (s *Snapshot) setOSDs(osds []osdJSON) error {
	s.OSDs = make([]OSD, 0, len(osds))
	for _, o := range osds {
		slices.Sort(o.State)
		osd := OSD{
			ID: o.ID, Up: o.Up == 1, In: o.In == 1, Reweight: o.Weight, State: o.State,
			UpFrom: o.UpFrom, DownAt: o.DownAt, LastCleanBegin: o.CleanBegin, LastCleanEnd: o.CleanEnd,
			LostAt: o.LostAt, CommitMS: -1, ApplyMS: -1,
		}
		if len(o.Addrs.Vec) > 0 && o.Addrs.Vec[0].Nonce <= math.MaxInt32 {
			osd.PID = int(o.Addrs.Vec[0].Nonce)
		}
		s.OSDs = append(s.OSDs, osd)
	}
	slices.SortFunc(s.OSDs, func(a, b OSD) int { return a.ID - b.ID })
	for i := range s.OSDs {
		if s.OSDs[i].ID < 0 || i > 0 && s.OSDs[i].ID == s.OSDs[i-1].ID {
			return errors.New("ceph: an OSD map that names an OSD twice, or a negative one")
		}
	}
	return nil
}
