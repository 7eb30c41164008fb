package ceph

import "strconv"

// limits are the log limits in effect on an OSD, or the defaults of its
// release where it was not asked; ok is false if neither is known.
func (s *Snapshot) limits(o *OSD) (l PGLogLimits, ok bool) {
	v := s.Lowest()
	if o != nil && o.Version.known() {
		v = o.Version
	}
	l = pgLogDefaults(v)
	if o != nil && o.Daemon != nil {
		for name, field := range map[string]*int{
			"osd_min_pg_log_entries": &l.Min, "osd_max_pg_log_entries": &l.Max,
			"osd_pg_log_dups_tracked": &l.Dups, "osd_target_pg_log_entries_per_osd": &l.PerOSD,
		} {
			if n, err := strconv.Atoi(o.Daemon.Config[name]); err == nil && n >= 0 {
				*field = n
			}
		}
	}
	return l, l.Max > 0
}

// limitOf is the longest log that a PG may have: the limits of its primary.
func (s *Snapshot) limitOf(p PG) (int64, bool) {
	var primary *OSD
	if len(p.Acting) > 0 {
		primary = s.OSD(p.Acting[0])
	}
	l, ok := s.limits(primary)
	return int64(max(l.Min, l.Max)), ok
}

// tooLong are the PGs among those kept whose logs are past their limit; a
// tenth is left for entries that come between two trims.
func (s *Snapshot) tooLong() []PG {
	var out []PG
	for _, p := range s.PGs.LongLogs.Top {
		if limit, ok := s.limitOf(p); ok && p.Log > limit+limit/10+100 {
			out = append(out, p)
		}
	}
	return out
}

// longer counts PGs with at least so many entries, rounded up to logStep.
func (g PGs) longer(entries int64) (n int) {
	for _, lengths := range g.LogLengths {
		for step, count := range lengths {
			if int64(step)*logStep >= entries {
				n += count
			}
		}
	}
	return n
}
