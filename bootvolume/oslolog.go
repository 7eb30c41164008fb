package bootvolume

import (
	"bytes"
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
	Sized    Kind = "sized"    // cinder-api says of what size
	Issued   Kind = "issued"   // cinder-api gave it to the scheduler
	Quota    Kind = "quota"    // cinder-api refused by quota
	Accepted Kind = "accepted" // cinder-api answered 202
	Hung     Kind = "hung"     // cinder-api could not write its answer
	Erred    Kind = "erred"    // cinder-api answered 500
)

// source is whose lines are of a kind.
func (k Kind) source() Source {
	switch k {
	case Begun, Broken, Built:
		return Compute
	}
	return API
}

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
	// asks is nova before it has a volume made; "Booting with volume ID" has
	// one already.
	asks   = regexp.MustCompile(`^Booting with (?:volume snapshot|volume-backed-image|blank volume) `)
	posted = regexp.MustCompile(`^POST \S+/volumes$`)
	sized  = regexp.MustCompile(`^Create volume of (\d{1,9}) GB$`)
)

// parseOslo reads what follows the time stamp of a line. known tells whether
// the line has oslo.log's header, pid LEVEL logger [own ids ...] message; ok
// whether it matters.
func parseOslo(rest string) (e Event, known, ok bool) {
	pid, rest, _ := strings.Cut(strings.TrimPrefix(rest, " "), " ")
	level, rest, _ := strings.Cut(rest, " ")
	logger, rest, _ := strings.Cut(rest, " ")
	ids, text, found := strings.Cut(rest, "] ")
	ids, bracket := strings.CutPrefix(ids, "[")
	if !found || !bracket || !isNumber(pid) || level == "" || strings.Trim(level, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || logger == "" {
		return Event{}, false, false
	}
	e = Event{PID: pid, Text: text}
	if instance, rest, ok := strings.Cut(text, "] "); ok && strings.HasPrefix(instance, "[instance: ") {
		e.Instance, e.Text = strings.TrimPrefix(instance, "[instance: "), rest
	}
	e.context(ids)
	e.Kind = kindOf(logger, e.Text)
	e.keep()
	return e, true, e.Kind != ""
}

// keep takes what the text says beside its kind, and keeps the text where it
// is the service's own words for a failure.
func (e *Event) keep() {
	switch e.Kind {
	case Sized:
		e.Size, _ = strconv.ParseInt(sized.FindStringSubmatch(e.Text)[1], 10, 64)
	case Broken, Quota, Hung, Erred:
		return
	}
	e.Text = ""
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

// mayMatter passes over most lines at a small part of what it costs to take
// them apart. It may let through what does not matter, never the reverse.
func mayMatter(rest []byte) bool {
	_, after, _ := bytes.Cut(bytes.TrimPrefix(rest, blank), blank) // the pid
	_, after, _ = bytes.Cut(after, blank)                          // the level
	logger, text, _ := bytes.Cut(after, blank)
	switch string(logger) {
	case novaManager:
		return bytes.Contains(text, []byte("block device")) || bytes.Contains(text, []byte("to build instance"))
	case cinderWSGI:
		return bytes.Contains(text, []byte("] POST ")) || bytes.Contains(text, []byte("/volumes returned"))
	case cinderVolumeAPI:
		return bytes.Contains(text, []byte(" issued successfully.")) || bytes.Contains(text, []byte("Volume created successfully."))
	case novaBlockDevice, cinderVolumes, cinderQuota, cinderFault, cinderServer:
		return true
	}
	return bytes.Contains(rest[:min(len(rest), 64)], escape) // colours may stand before the logger
}

var blank = []byte(" ")

// Who says what matters here.
const (
	novaBlockDevice = "nova.virt.block_device"
	novaManager     = "nova.compute.manager"
	cinderQuota     = "cinder.quota_utils"
	cinderWSGI      = "cinder.api.openstack.wsgi"
	cinderFault     = "cinder.api.middleware.fault"
	cinderVolumes   = "cinder.api.v3.volumes"
	cinderVolumeAPI = "cinder.volume.api"
	cinderServer    = "cinder" // eventlet.wsgi, which writes as the service
)

// kindOf knows the words of nova (virt/block_device.py, compute/manager.py)
// and cinder (api/openstack/wsgi.py, quota_utils.py).
func kindOf(logger, text string) Kind {
	switch logger {
	case novaBlockDevice:
		return kindIf(asks.MatchString(text), Begun)
	case novaManager:
		if strings.HasPrefix(text, "Took ") && strings.HasSuffix(text, "seconds to build instance.") {
			return Built
		}
		return kindIf(strings.HasPrefix(text, "Instance failed block device setup") || strings.HasPrefix(text, "Failed to create block device for instance"), Broken)
	case cinderVolumes:
		return kindIf(sized.MatchString(text), Sized)
	case cinderVolumeAPI:
		return kindIf(text == "Create volume request issued successfully." || text == "Volume created successfully.", Issued)
	case cinderQuota:
		return kindIf(strings.HasPrefix(text, "Quota exceeded for"), Quota)
	case cinderFault:
		return kindIf(strings.HasPrefix(text, "Caught error:"), Erred)
	case cinderServer:
		return kindIf(strings.Contains(text, "OSError: write error"), Hung)
	case cinderWSGI:
		if posted.MatchString(text) {
			return Posted
		}
		return kindIf(strings.HasSuffix(text, "/volumes returned with HTTP 202"), Accepted)
	}
	return ""
}

func kindIf(is bool, k Kind) Kind {
	if is {
		return k
	}
	return ""
}
