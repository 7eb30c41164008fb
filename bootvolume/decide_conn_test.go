package bootvolume

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

const crowded = `global
    maxconn GLOBAL
defaults
    mode http
    timeout connect 2s
    option redispatch
    maxconn FRONT
    default-server check maxconn SERVER
frontend front
    bind :8776
    default_backend cinder
backend cinder
    server a 10.0.0.1:8776
    server b 10.0.0.2:8776
    server c 10.0.0.3:8776 backup
`

// limits are the limits of HAProxy, as text.
func limits(t *testing.T, text, global, front, server string) []Proxy {
	t.Helper()
	ps, err := ReadHAProxy(strings.NewReader(strings.NewReplacer("GLOBAL", global, "FRONT", front, "SERVER", server).Replace(text)))
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

func TestMaxconnOfABatch(t *testing.T) {
	for name, c := range map[string]struct {
		global, front, server string
		batch                 int64
		want                  []string
		say                   string
	}{
		"all suffice":         {"100", "20", "4", 8, nil, ""},
		"no batch":            {"1", "1", "1", 0, nil, ""},
		"no limits":           {"0", "0", "0", 500, nil, ""},
		"of the environment":  {"$N", "${N}", "$N", 500, nil, ""},
		"the frontend":        {"100", "7", "4", 8, []string{CodeConnectionsTooFew}, "at least 8"},
		"the process":         {"7", "20", "4", 8, []string{CodeConnectionsTooFew}, "at least 8"},
		"the process alone":   {"7", "0", "0", 8, []string{CodeConnectionsTooFew}, "at least 8"},
		"the servers":         {"100", "20", "4", 9, []string{CodeTimeoutTooShort}, "at least 5"},
		"the servers, 7 of 2": {"100", "20", "1", 7, []string{CodeTimeoutTooShort}, "at least 4"},
	} {
		r := Check(&Snapshot{Proxies: limits(t, crowded, c.global, c.front, c.server), Batch: c.batch})
		if got := codes(r); !slices.Equal(got, c.want) || len(got) > 0 && !strings.Contains(r.Findings[0].Fix, c.say) {
			t.Errorf("%s: %+v", name, r.Findings)
		}
		if len(c.want) > 0 && c.want[0] == CodeTimeoutTooShort && r.Status != stackmend.Unknown {
			t.Errorf("%s: how long one takes is not known, and yet %v", name, r.Status)
		}
	}
}

// together are requests that HAProxy had at once, and how long each took.
func together(n int, took time.Duration, term string, status int) (all []Request) {
	for i := range n {
		all = append(all, Request{At: now.Add(time.Duration(i) * time.Millisecond), Backend: "cinder", Server: "a", Total: took, Connect: 1, Status: status, Term: term,
			Method: "POST", Path: "/v3/p/volumes", ID: fmt.Sprint(i)})
	}
	return all
}

// What was seen counts as what is told does, and tells whether the queue lasts.
func TestMaxconnAsSeen(t *testing.T) {
	ps := limits(t, crowded, "100", "20", "2")
	for name, c := range map[string]struct {
		requests []Request
		want     []string
		fix      string
	}{
		"enough":                {together(4, time.Second, "--", 202), nil, ""},
		"the queue lasts":       {together(8, time.Second, "--", 202), nil, ""},
		"not at once":           {[]Request{together(1, time.Second, "--", 202)[0], {At: now.Add(time.Minute), Total: time.Second, Status: 202, Backend: "cinder", Method: "POST", Path: "/volumes"}}, nil, ""},
		"the queue is too long": {together(13, time.Second, "--", 202), []string{CodeTimeoutTooShort}, "timeout queue of at least 4s"},
		"dropped":               {append(together(6, time.Second, "--", 202), together(2, 2*time.Second, "sQ--", 503)...), []string{CodeTimeoutTooShort}, "maxconn of at least 4"},
		"beyond the frontend":   {together(21, time.Millisecond*100, "--", 202), []string{CodeConnectionsTooFew}, "at least 21"},
	} {
		r := Check(&Snapshot{Proxies: ps, Logs: Logs{Requests: c.requests}})
		if got := codes(r); !slices.Equal(got, c.want) || len(got) > 0 && !strings.Contains(r.Findings[0].Fix, c.fix) {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
}

// A request that never came through is under way all the same.
func TestMaxconnOfLostBoots(t *testing.T) {
	s := &Snapshot{Proxies: limits(t, crowded, "100", "2", "0")}
	for i := range 3 {
		s.Logs.Events = append(s.Logs.Events, Event{Kind: Begun, Instance: fmt.Sprint(i), At: now}, Event{Kind: Broken, Instance: fmt.Sprint(i), At: now.Add(time.Minute), Text: "Unable to establish connection"})
	}
	if got := codes(Check(s)); !slices.Contains(got, CodeConnectionsTooFew) {
		t.Errorf("%v", got)
	}
}

const database = `global
    maxconn GLOBAL
listen galera
    mode tcp
    maxconn FRONT
    default-server check maxconn SERVER on-marked-up shutdown-backup-sessions
    server a 10.0.0.1:3306
    server b 10.0.0.2:3306 backup
`

func TestSessionsOfTheDatabase(t *testing.T) {
	service := func(text string) ServiceConf {
		c, err := ReadServiceConf(strings.NewReader("[database]\n"+text), "ctl")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	plain, none, small := service(""), service("max_pool_size = 0\n"), service("max_pool_size = 5\nsqlalchemy_max_overflow = 5\n")
	if plain.Pool != 55 || none.Pool != 0 || small.Pool != 10 {
		t.Fatalf("%+v %+v %+v", plain, none, small)
	}
	file := func(v string) []GaleraConf {
		return []GaleraConf{{Host: "db1", Variables: map[string]string{"max_connections": v}}}
	}
	for name, c := range map[string]struct {
		front, server string
		galera        []GaleraConf
		services      []ServiceConf
		want          int
		say           string
	}{
		"enough":                        {"0", "0", file("200"), []ServiceConf{plain, plain}, 0, ""},
		"nothing is known of Galera":    {"0", "0", nil, []ServiceConf{plain, plain}, 0, ""},
		"pools without a limit":         {"0", "0", file("100"), []ServiceConf{none}, 0, ""},
		"the pools of three are more":   {"0", "0", file("151"), []ServiceConf{plain, plain, plain}, 1, "max_connections of at least 165"},
		"small pools are not":           {"0", "0", file("151"), []ServiceConf{small, small, small}, 0, ""},
		"HAProxy holds them back":       {"100", "0", file("151"), []ServiceConf{plain, plain, plain}, 1, "maxconn of at least 165"},
		"HAProxy lets too many through": {"500", "0", file("151"), nil, 1, "at most 151"},
		"its servers do not":            {"500", "150", file("151"), nil, 0, ""},
		"its servers do":                {"0", "152", file("151"), nil, 1, "at most 151"},
	} {
		r := Check(&Snapshot{Proxies: limits(t, database, "0", c.front, c.server), Galera: c.galera, Services: c.services})
		if got := codes(r); len(got) != c.want || len(got) > 0 && (got[0] != CodeConnectionsTooFew || !strings.Contains(r.Findings[0].Fix, c.say)) {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
	// What the node has in effect counts before its file.
	live := Node{Host: "db1", Variables: map[string]string{"max_connections": "100"}, Status: map[string]string{"wsrep_local_state_comment": "Synced", "wsrep_cluster_status": "Primary", "wsrep_ready": "ON"}}
	s := &Snapshot{Nodes: []Node{live}, Galera: file("1000"), Services: []ServiceConf{plain, plain}}
	if got := codes(Check(s)); !slices.Contains(got, CodeConnectionsTooFew) {
		t.Errorf("%v", got)
	}
}
