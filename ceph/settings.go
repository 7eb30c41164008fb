package ceph

import (
	"slices"
	"strconv"
	"strings"
)

// wanted is what the monitors' database says about a setting of an OSD: the
// entry of the OSD itself before that of all OSDs before the global one.
// Entries with a mask (host, class) are beyond this; ok is then false.
func (s *Snapshot) wanted(id int, name string) (value string, ok bool) {
	rank := -1
	order := []string{"global", "osd", osdName(id)}
	for _, e := range s.Config {
		if e.Name != name {
			continue
		}
		section, masked := cutMask(e)
		at := slices.Index(order, section)
		if masked && at >= 0 {
			return "", false
		}
		if at > rank {
			rank, value = at, e.Value
		}
	}
	return value, rank >= 0
}

func cutMask(e Setting) (section string, masked bool) {
	section, mask, _ := strings.Cut(e.Section, "/")
	return section, mask != "" || e.Mask != ""
}

// same compares values as Ceph writes them: 3 and 3.000000 are alike.
func same(a, b string) bool {
	if a == b {
		return true
	}
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err1 == nil && err2 == nil && x == y
}

// number is the value of a setting; -1 if there is none.
func (d *Daemon) number(name string) float64 {
	if d == nil {
		return -1
	}
	f, err := strconv.ParseFloat(d.Config[name], 64)
	if err != nil {
		return -1
	}
	return f
}

// mclock reports whether the OSD schedules by mClock.
func (d *Daemon) mclock() bool { return d != nil && d.Config["osd_op_queue"] == "mclock_scheduler" }
