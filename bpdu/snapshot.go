package bpdu

import "time"

// A Snapshot is all that was observed: the logs of switches, the cloud's ports,
// the host's kernel, a capture. What was not looked at is nil, and Check says
// only what follows from the rest.
type Snapshot struct {
	Subject string    // the host or the site, for people
	Taken   time.Time // when the host was observed
	Log     *Log
	Cloud   *Cloud
	Host    *Host
	Capture *Capture
	Unseen  []string // what could not be seen beside what the parts say themselves
}

func (s *Snapshot) unseen() []string {
	u := append([]string(nil), s.Unseen...)
	if s.Log != nil {
		u = append(u, s.Log.Unseen...)
	}
	if s.Cloud != nil {
		u = append(u, s.Cloud.Unseen...)
	}
	if s.Host != nil {
		u = append(u, s.Host.Unseen...)
	}
	if c := s.Capture; c != nil && (c.Lost > 0 || c.Limited) {
		u = append(u, "BPDUs beyond what the capture kept")
	}
	return u
}
