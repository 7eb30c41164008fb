package ceph

import (
	"errors"
	"io"
	"strings"
)

type treeJSON struct {
	Nodes []struct {
		ID          int     `json:"id"`
		Name        string  `json:"name"`
		Type        string  `json:"type"`
		Class       string  `json:"device_class"`
		CrushWeight float64 `json:"crush_weight"`
		Children    []int   `json:"children"`
	} `json:"nodes"`
}

// readTree takes hosts, racks and device classes from `osd tree`.
func (s *Snapshot) readTree(r io.Reader) error {
	var t treeJSON
	if err := decodeJSON(r, &t); err != nil {
		return err
	}
	if len(t.Nodes) == 0 {
		return errors.New("ceph: a CRUSH tree without nodes")
	}
	parent, at := map[int]int{}, map[int]int{}
	for i, n := range t.Nodes {
		at[n.ID] = i
		for _, c := range n.Children {
			parent[c] = n.ID
		}
	}
	for i := range s.OSDs {
		o := &s.OSDs[i]
		n, ok := at[o.ID]
		if !ok {
			continue
		}
		o.Class, o.CrushWeight = t.Nodes[n].Class, t.Nodes[n].CrushWeight
		for id, hops := o.ID, 0; hops < 32; hops++ { // no deeper than CRUSH, and no circle
			up, ok := parent[id]
			if !ok {
				break
			}
			if b, ok := at[up]; ok {
				o.within(t.Nodes[b].Type, t.Nodes[b].Name)
			}
			id = up
		}
	}
	return nil
}

// within notes the nearest bucket of a type that the OSD lies in.
func (o *OSD) within(kind, name string) {
	switch {
	case kind == "host" && o.Host == "":
		o.Host = name
	case kind == "rack" && o.Rack == "":
		o.Rack = name
	}
}

type dfJSON struct {
	Nodes *[]struct {
		ID          int     `json:"id"`
		Type        string  `json:"type"`
		KB          int64   `json:"kb"`
		Used        int64   `json:"kb_used"`
		Utilisation float64 `json:"utilization"`
	} `json:"nodes"`
}

// readDF takes sizes and use from `osd df`.
func (s *Snapshot) readDF(r io.Reader) error {
	var d dfJSON
	if err := decodeJSON(r, &d); err != nil {
		return err
	}
	if d.Nodes == nil {
		return errors.New("ceph: osd df without nodes")
	}
	for _, n := range *d.Nodes {
		if o := s.OSD(n.ID); o != nil && (n.Type == "osd" || n.Type == "") {
			o.Size, o.Used, o.Utilisation = n.KB<<10, n.Used<<10, n.Utilisation
		}
	}
	return nil
}

type perfInfoJSON struct {
	ID    int `json:"id"`
	Stats struct {
		Commit int64 `json:"commit_latency_ms"`
		Apply  int64 `json:"apply_latency_ms"`
	} `json:"perf_stats"`
}

type osdPerfJSON struct {
	Infos  *[]perfInfoJSON `json:"osd_perf_infos"` // Luminous, Mimic
	Nested struct {
		Infos *[]perfInfoJSON `json:"osd_perf_infos"`
	} `json:"osdstats"` // Nautilus and newer
}

// readOSDPerf takes latencies from `osd perf`.
func (s *Snapshot) readOSDPerf(r io.Reader) error {
	var p osdPerfJSON
	if err := decodeJSON(r, &p); err != nil {
		return err
	}
	infos := p.Infos
	if infos == nil {
		infos = p.Nested.Infos
	}
	if infos == nil {
		return errors.New("ceph: osd perf without osd_perf_infos")
	}
	for _, i := range *infos {
		if o := s.OSD(i.ID); o != nil {
			o.CommitMS, o.ApplyMS = i.Stats.Commit, i.Stats.Apply
		}
	}
	return nil
}

type metadataJSON struct {
	ID         *int   `json:"id"`
	Version    string `json:"ceph_version"`
	MemTotal   int64  `json:"mem_total_kb,string"`
	Hostname   string `json:"hostname"`
	Rotational string `json:"rotational"`
	DeviceIDs  string `json:"device_ids"`
}

// readMetadata takes versions and hosts from `osd metadata`.
func (s *Snapshot) readMetadata(r io.Reader) error {
	var all []metadataJSON
	if err := decodeJSON(r, &all); err != nil {
		return err
	}
	if all == nil {
		return errors.New("ceph: osd metadata is null")
	}
	for _, m := range all { // all of it, before any of it is taken
		if m.ID == nil {
			return errors.New("ceph: osd metadata without an id")
		}
		if _, err := ParseVersion(m.Version); m.Version != "" && err != nil {
			return err
		}
	}
	for _, m := range all {
		o := s.OSD(*m.ID)
		if o == nil || m.Version == "" { // an OSD that never ran has no metadata
			continue
		}
		v, _ := ParseVersion(m.Version) // parsed above
		o.Version, o.MemTotal, o.Hostname, o.Rotational = v, m.MemTotal<<10, m.Hostname, m.Rotational == "1"
		o.Model = diskModel(m.DeviceIDs)
	}
	return nil
}

// diskModel takes the first disk's maker and model from device_ids, which is
// "sdb=ATA_ST4000NM0035_ZC1ABCDE,nvme0n1=.."; the serial number comes last
// (get_device_id in src/common/blkdev.cc).
func diskModel(ids string) string {
	first, _, _ := strings.Cut(ids, ",")
	_, id, _ := strings.Cut(first, "=")
	at := strings.LastIndexByte(id, '_')
	if at < 0 {
		return ""
	}
	return id[:at]
}
