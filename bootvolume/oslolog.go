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
	Received Kind = "received" // nova-api took up a request for servers
	Claimed  Kind = "claimed"  // nova-compute has an instance to build
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
	Deleted  Kind = "deleted"  // cinder-api accepted that a volume be deleted

	Conflict  Kind = "conflict"  // a transaction of cinder-api was aborted (1213), which it may try again
	Uncounted Kind = "uncounted" // cinder-api has a volume, and its quota usage was not written

	Unscheduled Kind = "unscheduled" // cinder-scheduler found no backend
	Making      Kind = "making"      // cinder-volume begins
	Made        Kind = "made"        // cinder-volume has made it
	Unmade      Kind = "unmade"      // cinder-volume failed
)

// source is whose lines are of a kind.
func (k Kind) source() Source {
	switch k {
	case Received:
		return NovaAPI
	case Claimed, Begun, Broken, Built:
		return Compute
	case Unscheduled:
		return Scheduler
	case Making, Made, Unmade:
		return Volume
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
	Volume   string
	Size     int64 // GiB
	Text     string
}

var (
	// asks is nova before it has a volume made; "Booting with volume ID" has
	// one already.
	asks   = regexp.MustCompile(`^Booting with (?:volume snapshot|volume-backed-image|blank volume) `)
	posted = regexp.MustCompile(`^POST \S+/volumes$`)
	sized  = regexp.MustCompile(`^Create volume of (\d{1,9}) GB$`)

	received  = regexp.MustCompile(`"POST /v2(?:\.\d+)?(?:/[0-9a-f]{32})?/servers" status: 202 `)
	deleted   = regexp.MustCompile(`/volumes/([0-9a-f-]{36}) returned with HTTP 202$`)
	making    = regexp.MustCompile(`^Volume ([0-9a-f-]{36}): being created as `)
	made      = regexp.MustCompile(`^Volume \S+ \(([0-9a-f-]{36})\): created successfully$`)
	sizeOf    = regexp.MustCompile(`'volume_size': (\d{1,9})\b`)
	noBackend = "No valid backend was found"
	unhandled = "Exception during message handling: "

	// conflict is oslo.db of a transaction that is tried again, with debug alone.
	conflict    = "DB error: "
	uncommitted = "Failed to commit reservations "
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
	e.ofInstance()
	e.context(ids)
	e.judge(logger)
	return e, true, e.Kind != ""
}

// alone is the event without the line that its texts are of. Most of them are
// said again in other lines, and kept once.
func (e Event) alone(once map[string]string) Event {
	for _, s := range []*string{&e.PID, &e.Request, &e.Own, &e.Project, &e.Instance, &e.Volume} {
		kept, ok := once[*s]
		if !ok {
			kept = strings.Clone(*s)
			once[kept] = kept
		}
		*s = kept
	}
	e.Text = strings.Clone(e.Text)
	return e
}

// ofInstance takes the instance off the text.
func (e *Event) ofInstance() {
	if instance, rest, ok := strings.Cut(e.Text, "] "); ok && strings.HasPrefix(instance, "[instance: ") {
		e.Instance, e.Text = strings.TrimPrefix(instance, "[instance: "), rest
	}
}

func (e *Event) judge(logger string) {
	e.Kind = kindOf(logger, e.Text)
	e.keep()
}

// keep takes what the text says beside its kind, and keeps the text where it
// is the service's own words for a failure.
func (e *Event) keep() {
	switch e.Kind {
	case Sized:
		e.size(sized)
	case Making:
		e.Volume = making.FindStringSubmatch(e.Text)[1]
		e.size(sizeOf)
	case Made:
		e.Volume = made.FindStringSubmatch(e.Text)[1]
	case Deleted:
		e.Volume = deleted.FindStringSubmatch(e.Text)[1]
	case Unscheduled:
		e.Text, _, _ = strings.Cut(e.Text[strings.Index(e.Text, noBackend):], ": cinder.exception")
		return
	case Unmade:
		e.Text = strings.TrimPrefix(e.Text, unhandled)
		return
	case Broken, Quota, Hung, Erred, Uncounted:
		return
	}
	e.Text = ""
}

func (e *Event) size(in *regexp.Regexp) {
	if m := in.FindStringSubmatch(e.Text); m != nil {
		e.Size, _ = strconv.ParseInt(m[1], 10, 64)
	}
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
	return says(string(logger), text) || bytes.Contains(rest[:min(len(rest), 64)], escape) // colours may stand before the logger
}

// says reports whether a text has one of the words that matter of a logger.
func says(logger string, text []byte) bool {
	for _, word := range words(logger) {
		if bytes.Contains(text, word) {
			return true
		}
	}
	return false
}

var blank = []byte(" ")

// Who says what matters here.
const (
	novaRequests    = "nova.api.openstack.requestlog"
	novaClaims      = "nova.compute.claims"
	novaBlockDevice = "nova.virt.block_device"
	novaManager     = "nova.compute.manager"
	cinderQuota     = "cinder.quota_utils"
	cinderWSGI      = "cinder.api.openstack.wsgi"
	cinderFault     = "cinder.api.middleware.fault"
	cinderVolumes   = "cinder.api.v3.volumes"
	cinderVolumeAPI = "cinder.volume.api"
	cinderSchedule  = "cinder.scheduler.flows.create_volume"
	cinderCreate    = "cinder.volume.flows.manager.create_volume"
	rpcServer       = "oslo_messaging.rpc.server"
	cinderServer    = "cinder" // eventlet.wsgi, which writes as the service
	cinderUsage     = "cinder.quota"
	osloDB          = "oslo_db.api"
)

// What a line that matters has after its logger.
var (
	wordsOfNovaRequests    = [][]byte{[]byte(`/servers" status: 202 `)}
	wordsOfNovaClaims      = [][]byte{[]byte("Claim successful")}
	wordsOfNovaManager     = [][]byte{[]byte("block device"), []byte("to build instance")}
	wordsOfNovaBlockDevice = [][]byte{[]byte("Booting with ")}
	wordsOfCinderWSGI      = [][]byte{[]byte("] POST "), []byte("/volumes returned"), []byte("returned with HTTP 202")}
	wordsOfCinderVolumes   = [][]byte{[]byte("Create volume of ")}
	wordsOfCinderVolumeAPI = [][]byte{[]byte(" issued successfully."), []byte("Volume created successfully.")}
	wordsOfCinderQuota     = [][]byte{[]byte("Quota exceeded for")}
	wordsOfCinderFault     = [][]byte{[]byte("Caught error:")}
	wordsOfCinderServer    = [][]byte{[]byte("OSError: write error")}
	wordsOfCinderSchedule  = [][]byte{[]byte(noBackend)}
	wordsOfCinderCreate    = [][]byte{[]byte(": being created as "), []byte("): created successfully")}
	wordsOfCinderUsage     = [][]byte{[]byte(uncommitted)}
	wordsOfOsloDB          = [][]byte{[]byte(conflict)}
	wordsOfRpcServer       = [][]byte{[]byte(unhandled)}
)

// words are those of a logger. A switch is quicker than a map, and every line
// comes here.
func words(logger string) [][]byte {
	switch logger {
	case novaRequests:
		return wordsOfNovaRequests
	case novaClaims:
		return wordsOfNovaClaims
	case novaManager:
		return wordsOfNovaManager
	case novaBlockDevice:
		return wordsOfNovaBlockDevice
	case cinderWSGI:
		return wordsOfCinderWSGI
	case cinderVolumes:
		return wordsOfCinderVolumes
	case cinderVolumeAPI:
		return wordsOfCinderVolumeAPI
	case cinderQuota:
		return wordsOfCinderQuota
	case cinderFault:
		return wordsOfCinderFault
	case cinderServer:
		return wordsOfCinderServer
	case cinderSchedule:
		return wordsOfCinderSchedule
	case cinderCreate:
		return wordsOfCinderCreate
	case rpcServer:
		return wordsOfRpcServer
	case cinderUsage:
		return wordsOfCinderUsage
	case osloDB:
		return wordsOfOsloDB
	}
	return nil
}

// kindOf knows the words of nova (api/openstack/requestlog.py,
// virt/block_device.py, compute/claims.py, compute/manager.py), cinder
// (api/openstack/wsgi.py, api/v3/volumes.py, quota.py, quota_utils.py, scheduler
// and volume/flows/manager/create_volume.py) and oslo.db (oslo_db/api.py).
func kindOf(logger, text string) Kind {
	switch logger {
	case novaRequests:
		return kindIf(received.MatchString(text), Received)
	case novaClaims:
		return kindIf(strings.HasPrefix(text, "Claim successful"), Claimed)
	case novaBlockDevice:
		return kindIf(asks.MatchString(text), Begun)
	case novaManager:
		if strings.HasPrefix(text, "Took ") && strings.HasSuffix(text, "seconds to build instance.") {
			return Built
		}
		return kindIf(strings.HasPrefix(text, "Instance failed block device setup") || strings.HasPrefix(text, "Failed to create block device for instance"), Broken)
	}
	return cinderKind(logger, text)
}

func cinderKind(logger, text string) Kind {
	switch logger {
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
	case osloDB:
		return kindIf(strings.HasPrefix(text, conflict) && deadlock.MatchString(text), Conflict)
	case cinderUsage:
		return kindIf(strings.HasPrefix(text, uncommitted), Uncounted)
	case cinderSchedule:
		return kindIf(strings.Contains(text, noBackend), Unscheduled)
	case cinderCreate:
		if making.MatchString(text) {
			return Making
		}
		return kindIf(made.MatchString(text), Made)
	case rpcServer:
		return kindIf(strings.HasPrefix(text, unhandled), Unmade)
	case cinderWSGI:
		switch {
		case posted.MatchString(text):
			return Posted
		case strings.HasSuffix(text, "/volumes returned with HTTP 202"):
			return Accepted
		}
		return kindIf(deleted.MatchString(text), Deleted)
	}
	return ""
}

func kindIf(is bool, k Kind) Kind {
	if is {
		return k
	}
	return ""
}
