package bootvolume

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A record is a line of oslo.log's JSONFormatter (use_json), as far as it
// matters here.
type record struct {
	Message   string
	Name      string
	Created   float64         // seconds since 1970
	Process   json.RawMessage // the pid
	Summary   string          `json:"error_summary"`
	Traceback json.RawMessage // lines, or one text
	Context   struct {
		Request string `json:"request_id"`
		Global  string `json:"global_request_id"`
		Project string `json:"project_id"`
		Tenant  string
	}
	Extra    struct{ Instance json.RawMessage }
	Instance json.RawMessage
}

// What a line begins with, as oslo.log writes it, and what follows.
var (
	jsonMessage = []byte(`{"message": "`)
	jsonTime    = []byte(`", "asctime": "`)
	jsonName    = []byte(`", "name": "`)
	jsonCreated = []byte(`", "created": `)
	jsonMsecs   = []byte(`, "msecs": `)
	quote       = []byte(`"`)
)

// json reads a line of oslo.log's JSON. As of other lines, most are passed over
// without being taken apart.
func (r *reading) json(text []byte) {
	message, stamp, logger, ok := glance(text)
	matters := !ok || mayMatterIn(string(logger), message)
	if ok && !matters && r.second(stamp) {
		return
	}
	if ok && !matters {
		if at, ok := created(text); ok {
			r.cover(at)
			r.remember(stamp)
			return
		}
	}
	var j record
	if end := bytes.LastIndexByte(text, '}'); end < 0 || json.Unmarshal(text[:end+1], &j) != nil {
		r.Unread++ // cut, or another's JSON
		return
	}
	at, ok := instant(j.Created)
	if !ok {
		r.Unread++
		return
	}
	r.cover(at)
	if !at.Before(r.of.Since) {
		r.keep(j.event(), at)
	}
}

// glance finds the message, the time and the logger where oslo.log has put
// them. Quotes in a message are escaped, so that they do not look like its end.
func glance(text []byte) (message, stamp, logger []byte, ok bool) {
	rest, ok := bytes.CutPrefix(text, jsonMessage)
	if !ok {
		return nil, nil, nil, false
	}
	message, rest, ok = bytes.Cut(rest, jsonTime)
	if !ok {
		return nil, nil, nil, false
	}
	stamp, rest, ok = bytes.Cut(rest, quote)
	if !ok || !bytes.HasPrefix(rest, jsonName[1:]) {
		return nil, nil, nil, false
	}
	logger, _, ok = bytes.Cut(rest[len(jsonName)-1:], quote)
	return message, stamp, logger, ok
}

// mayMatterIn is mayMatter of JSON, whose message has no summary of an error.
func mayMatterIn(logger string, message []byte) bool {
	switch logger {
	case cinderQuota, cinderFault, cinderSchedule, cinderServer, rpcServer:
		return true
	case novaRequests:
		return bytes.Contains(message, []byte(`/servers\" status: 202 `))
	case cinderWSGI:
		if bytes.HasPrefix(message, []byte("POST ")) {
			return bytes.HasSuffix(message, []byte("/volumes"))
		}
	}
	return says(logger, message)
}

// second reports whether a stamp is the last one, which is to the second.
func (r *reading) second(stamp []byte) bool {
	return len(stamp) >= toSecond && r.after > 0 && string(stamp[:toSecond]) == string(r.last[:])
}

func (r *reading) remember(stamp []byte) {
	if len(stamp) >= toSecond {
		r.after = toSecond
		copy(r.last[:], stamp)
	}
}

// created reads the time without taking the line apart.
func created(text []byte) (time.Time, bool) {
	_, rest, ok := bytes.Cut(text, jsonCreated)
	if !ok {
		return time.Time{}, false
	}
	number, _, ok := bytes.Cut(rest[:min(len(rest), 64)], jsonMsecs)
	if !ok { // an argument of that name
		return time.Time{}, false
	}
	seconds, err := strconv.ParseFloat(string(number), 64)
	if err != nil {
		return time.Time{}, false
	}
	return instant(seconds)
}

// instant is a time in seconds since 1970; false if it is in no year that logs
// are of.
func instant(seconds float64) (time.Time, bool) {
	if !(seconds > 1e9 && seconds < 1<<33) {
		return time.Time{}, false
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e6)*1000).UTC(), true
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func (j record) event() Event {
	e := Event{PID: strings.Trim(string(j.Process), `"`), Request: j.Context.Global, Own: j.Context.Request, Project: j.Context.Project, Text: j.Message}
	if e.Request == "" {
		e.Request = e.Own
	}
	if e.Own == "" {
		e.Own = e.Request
	}
	if e.Project == "" {
		e.Project = j.Context.Tenant
	}
	if e.Instance = instanceIn(j.Extra.Instance); e.Instance == "" {
		e.Instance = instanceIn(j.Instance)
	}
	e.ofInstance()
	if s := j.summary(); s != "" && !strings.Contains(e.Text, s) {
		e.Text += ": " + s
	}
	e.Text = e.Text[:min(len(e.Text), mostText)]
	e.judge(j.Name)
	return e
}

// summary is what the service failed with: error_summary, or the last line of
// its traceback.
func (j record) summary() string {
	if j.Summary != "" {
		return j.Summary
	}
	var lines []string
	var text string
	if json.Unmarshal(j.Traceback, &lines) != nil && json.Unmarshal(j.Traceback, &text) == nil {
		lines = strings.Split(text, "\n")
	}
	for n := len(lines) - 1; n >= 0; n-- {
		if line := strings.TrimSpace(lines[n]); line != "" {
			return line
		}
	}
	return ""
}

// instanceIn is the UUID of an instance: nova logs it as an object, or as the
// text "[instance: UUID] ".
func instanceIn(raw json.RawMessage) string {
	var text string
	var object struct{ UUID string }
	if json.Unmarshal(raw, &text) == nil {
		return uuid.FindString(text)
	}
	if json.Unmarshal(raw, &object) == nil {
		return uuid.FindString(object.UUID)
	}
	return ""
}
