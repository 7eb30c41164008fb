package bootvolume

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Kind is what a line of nova or cinder says.
type Kind string

// The kinds of events.
const (
	Begun    Kind = "begun"    // nova-compute asks cinder for a volume
	Broken   Kind = "broken"   // nova-compute failed at the block devices
	Built    Kind = "built"    // the instance runs
	Posted   Kind = "posted"   // cinder-api took up a POST .../volumes
	Quota    Kind = "quota"    // cinder-api refused by quota
	Accepted Kind = "accepted" // cinder-api answered 202
	Hung     Kind = "hung"     // cinder-api could not write its answer
	Erred    Kind = "erred"    // cinder-api answered 500
)

// An Event is a line of nova or cinder that matters here.
type Event struct {
	At       time.Time
	Kind     Kind
	Host     string // that the log is of
	PID      string
	Request  string // the global request ID where the release has one
	Own      string // the service's own request ID
	Project  string
	Instance string
	Size     int64 // GiB
	Text     string
}

var (
	// header is oslo.log's: pid LEVEL logger [own ids ...] message. The first
	// word of nova's brackets is the global ID or None, cinder has the two
	// the other way round.
	header = regexp.MustCompile(`^ ?(\d+) ([A-Z]+) (\S+) \[([^\]]*)\] (?:\[instance: ([0-9a-f-]{36})\] )?(.*)$`)
	// asks is nova before it has a volume made; "Booting with volume ID" has
	// one already.
	asks     = regexp.MustCompile(`^Booting with (?:volume snapshot|volume-backed-image|blank volume) `)
	posted   = regexp.MustCompile(`^POST \S+/volumes$`)
	answered = regexp.MustCompile(`/volumes returned with HTTP (\d+)$`)
)

// parseOslo reads what follows the time stamp of a line. known tells whether
// the line has oslo.log's header; ok whether it matters.
func parseOslo(rest string) (e Event, known, ok bool) {
	m := header.FindStringSubmatch(rest)
	if m == nil {
		return Event{}, false, false
	}
	e = Event{PID: m[1], Instance: m[5], Text: m[6]}
	e.context(m[4])
	e.Kind = kindOf(m[3], e.Text)
	return e, true, e.Kind != ""
}

// context takes the request IDs and the project out of the brackets.
func (e *Event) context(text string) {
	words := strings.Fields(text)
	ids := 0
	for ids < len(words) && ids < 2 && (words[ids] == "None" || strings.HasPrefix(words[ids], "req-")) {
		ids++
	}
	for _, id := range words[:ids] {
		switch {
		case id == "None":
		case e.Request == "":
			e.Request, e.Own = id, id
		default:
			e.Own = id
		}
	}
	if len(words) > ids+1 {
		e.Project = words[ids+1]
	}
}

// kindOf knows the words of nova (virt/block_device.py, compute/manager.py)
// and cinder (api/openstack/wsgi.py, quota_utils.py).
func kindOf(logger, text string) Kind {
	switch {
	case logger == "nova.virt.block_device" && asks.MatchString(text):
		return Begun
	case strings.HasPrefix(text, "Instance failed block device setup"), strings.HasPrefix(text, "Failed to create block device for instance"):
		return Broken
	case strings.HasPrefix(text, "Took ") && strings.HasSuffix(text, "seconds to build instance."):
		return Built
	case logger == "cinder.quota_utils" && strings.HasPrefix(text, "Quota exceeded for"):
		return Quota
	case logger == "cinder.api.openstack.wsgi" && posted.MatchString(text):
		return Posted
	case logger == "cinder.api.middleware.fault" && strings.HasPrefix(text, "Caught error:"):
		return Erred
	case logger == "cinder" && strings.Contains(text, "OSError: write error"):
		return Hung
	}
	if m := answered.FindStringSubmatch(text); m != nil && m[1] == strconv.Itoa(202) {
		return Accepted
	}
	return ""
}
