package bootvolume

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Request is a line of HAProxy's log: a request of HTTP, or a session of TCP.
type Request struct {
	At              time.Time // when HAProxy accepted it
	Host            string    // that the log is of
	Client          string    // address and port
	Backend, Server string
	Received        time.Duration // until it was there whole; -1: not known
	Total           time.Duration // until the end; -1: not known
	Connect         time.Duration // to the server; -1: there was none
	Status          int           // 0: TCP
	Term            string        // termination state, such as "sH--"
	ID              string        // a request ID in a captured header
	Method, Path    string
}

var idOf = regexp.MustCompile(`\breq-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)

// stampForm is the time as HAProxy writes it: 0 a digit, A and a letters.
const stampForm = "00/Aaa/0000:00:00:00.000"

// stampAt is where the time of a line begins, -1 if there is none.
func stampAt(line []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(line[i:], '/')
		if n < 0 {
			return -1
		}
		i += n + 1
		if at := i - len("00/"); at >= 0 && isStamp(line[at:]) {
			return at
		}
	}
}

func isStamp(text []byte) bool {
	if len(text) < len(stampForm) {
		return false
	}
	for i := range len(stampForm) {
		switch c := text[i]; stampForm[i] {
		case '0':
			if !isDigit(c) {
				return false
			}
		case 'A':
			if c < 'A' || c > 'Z' {
				return false
			}
		case 'a':
			if c < 'a' || c > 'z' {
				return false
			}
		default:
			if c != stampForm[i] {
				return false
			}
		}
	}
	return true
}

// parseHAProxy reads option httplog, option tcplog, and the form of the
// fixture in testdata/zed, which has the time first. The caller reads the time.
func parseHAProxy(line string) (r Request, ok bool) {
	at := stampAt([]byte(line))
	if at < 0 {
		return Request{}, false
	}
	rest, request, _ := strings.Cut(strings.TrimPrefix(line[at+len(stampForm):], "]"), `"`)
	words := strings.Fields(rest)
	before := strings.Fields(strings.TrimSuffix(line[:at], "["))
	// httplog and tcplog have the frontend before the server, the fixture
	// has the client there.
	if len(words) < 5 || !r.server(words[1]) || !r.timers(words[2]) {
		return Request{}, false
	}
	if r.Client = words[0]; len(before) > 0 && !strings.Contains(r.Client, ":") {
		r.Client = before[len(before)-1]
	}
	words = words[3:]
	r.answer(words)
	if r.ID = idOf.FindString(rest); request != "" {
		r.request(request)
	}
	return r, r.Term != ""
}

// alone is the request without the line that its texts are of.
func (r Request) alone() Request {
	for _, s := range []*string{&r.Client, &r.Backend, &r.Server, &r.Term, &r.ID, &r.Method, &r.Path} {
		*s = strings.Clone(*s)
	}
	return r
}

func (r *Request) server(word string) (ok bool) {
	r.Backend, r.Server, ok = strings.Cut(word, "/")
	return ok
}

// timers are Tq/Tw/Tc/Tr/Ta of HTTP or Tw/Tc/Tt of TCP, in milliseconds.
func (r *Request) timers(word string) bool {
	parts := strings.Split(word, "/")
	if len(parts) != 3 && len(parts) != 5 {
		return false
	}
	ms := make([]time.Duration, len(parts))
	for i, p := range parts {
		n, err := strconv.ParseInt(strings.TrimPrefix(p, "+"), 10, 32)
		if err != nil {
			return false
		}
		ms[i] = time.Duration(max(n, -1)) * time.Millisecond
	}
	r.Received, r.Connect, r.Total = -1, ms[len(ms)/2], ms[len(ms)-1]
	if len(ms) == 5 {
		r.Received = ms[0]
	}
	return true
}

// answer takes status (HTTP alone), bytes and the termination state.
func (r *Request) answer(words []string) {
	if len(words) > 2 && isNumber(words[1]) {
		r.Status, _ = strconv.Atoi(words[0])
		words = words[1:]
	}
	for _, w := range words[1:] {
		if isTerm(w) {
			r.Term = w
			return
		}
	}
}

func (r *Request) request(quoted string) {
	words := strings.Fields(strings.TrimSuffix(quoted, `"`))
	if len(words) < 2 {
		return
	}
	r.Method = words[0]
	r.Path, _, _ = strings.Cut(words[1], "?")
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isNumber(s string) bool {
	_, err := strconv.ParseUint(strings.TrimPrefix(s, "+"), 10, 64)
	return err == nil
}

// isTerm: "sD" of TCP, "sH--" of HTTP.
func isTerm(s string) bool {
	if len(s) != 2 && len(s) != 4 {
		return false
	}
	return strings.Contains("CSPLRIDUKcs-", s[:1]) && strings.Contains("RQCHDLT-", s[1:2])
}

// createsVolume reports a POST .../volumes.
func (r Request) createsVolume() bool {
	return r.Method == "POST" && strings.HasSuffix(r.Path, "/volumes")
}

// timedOut: HAProxy gave up waiting for the server's answer.
func (r Request) timedOut() bool {
	return r.Status == 504 || strings.HasPrefix(r.Term, "sH")
}

// refused: no server took it, or what took it broke before its answer.
func (r Request) refused() bool {
	return r.Server == "<NOSRV>" || r.Status == 502 || r.Status == 503 || (len(r.Term) > 1 && r.Term[1] == 'C')
}

// untaken: it reached no server.
func (r *Request) untaken() bool {
	return r.Server == "<NOSRV>" || r.Connect < 0 && r.Status != 0
}

// answered: a server has answered it.
func (r *Request) answered() bool {
	return r.Status != 0 && !r.timedOut() && !r.refused()
}

// end is when HAProxy was done with it.
func (r *Request) end() time.Time { return r.At.Add(max(r.Total, 0)) }

// sent is when it was on its way to the server, or before: with a time stamp of
// the form's own an idle connection may have come before it.
func (r *Request) sent() time.Time { return r.At.Add(max(r.Received, 0) + max(r.Connect, 0)) }

// received is when it was there whole, or after.
func (r *Request) received() time.Time {
	if r.Received < 0 {
		return r.end()
	}
	return r.At.Add(r.Received)
}

// project is the one in the path, which newer clients leave out.
func (r *Request) project() string {
	dir, _ := strings.CutSuffix(r.Path, "/volumes")
	name := dir[strings.LastIndexByte(dir, '/')+1:]
	if len(name) > 1 && name[0] == 'v' && isDigit(name[1]) { // the version
		return ""
	}
	return name
}
