package bootvolume

import (
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
)

// evidence is what the logs say of a boot and of one of its POSTs, stage by
// stage.
func (b Boot) evidence(p Post) []stackmend.Evidence {
	var all []stackmend.Evidence
	add := func(source, value string, at time.Time) {
		all = append(all, stackmend.Evidence{Source: source, Value: value, At: at})
	}
	if b.Failure != "" {
		add("nova-compute "+b.Host, short(b.Failure), b.Ended)
	}
	if h := p.HAProxy; h != nil {
		add("haproxy "+h.Host, fmt.Sprintf("%s/%s status %d %s after %v, %s", h.Backend, h.Server, h.Status, h.Term, h.Total, h.ID), h.At)
	}
	if p.Cinder != nil {
		p.Cinder.evidence(add)
	}
	return all
}

func (c *Create) evidence(add func(source, value string, at time.Time)) {
	api := "cinder-api " + c.Host
	if !c.Posted.IsZero() {
		add(api, "POST "+c.Own, c.Posted)
	}
	if !c.Accepted.IsZero() {
		add(api, "accepted "+c.Own, c.Accepted)
	}
	if said := c.Quota + c.Hung + c.Erred; said != "" {
		add(api, short(said), time.Time{})
	}
	if c.Conflicts > 0 {
		add(api, fmt.Sprintf("%d of its transactions were aborted (1213)", c.Conflicts), time.Time{})
	}
	if c.Uncounted != "" {
		add(api, short(c.Uncounted), time.Time{})
	}
	if !c.Making.IsZero() {
		add("cinder-volume "+c.VolumeHost, "begins "+c.Volume, c.Making)
	}
	if c.Unmade != "" {
		add("cinder-volume "+c.VolumeHost, short(c.Unmade), time.Time{})
	}
	if c.Unscheduled != "" {
		add("cinder-scheduler "+c.Scheduler, short(c.Unscheduled), time.Time{})
	}
	if !c.Made.IsZero() {
		add("cinder-volume "+c.VolumeHost, "has made "+c.Volume, c.Made)
	}
}
