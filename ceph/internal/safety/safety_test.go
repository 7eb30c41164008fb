package safety

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// answers are by prefix. EBUSY comes beside a body.
type answers map[string]struct {
	body string
	err  error
}

func (a answers) Command(_ context.Context, c ceph.Command) (io.ReadCloser, error) {
	x, ok := a[c.Prefix]
	if !ok {
		return nil, ceph.Failed(c, 22, "not answered here")
	}
	return ceph.Answer([]byte(x.body), x.err), nil
}

const yes, no, unknown = "yes", "no", "unknown"

func kind(err error) string {
	switch {
	case err == nil:
		return yes
	case errors.Is(err, stackmend.ErrRefused):
		return no
	}
	return unknown
}

func TestReadOKToStop(t *testing.T) {
	busyErr := ceph.Failed(ceph.Command{Prefix: "osd ok-to-stop"}, -16, "8 PGs are already too degraded, would become too degraded or might become unavailable")
	again := ceph.Failed(ceph.Command{Prefix: "osd ok-to-stop"}, -11, "missing information about 1.0; cannot draw any conclusions")
	for name, c := range map[string]struct {
		body string
		err  error
		want string
	}{
		"16.2.15, captured":          {`{"ok_to_stop":true,"osds":[0,1],"num_ok_pgs":33,"num_not_ok_pgs":0,"ok_become_degraded":["1.0"]}`, nil, yes},
		"wrapped":                    {`{"ok_to_stop":{"ok_to_stop":true,"osds":[1,0],"num_ok_pgs":33,"num_not_ok_pgs":0}}`, nil, yes},
		"no, with EBUSY and a body":  {`{"ok_to_stop":false,"osds":[0,1],"num_ok_pgs":0,"num_not_ok_pgs":33,"bad_become_inactive":["2.0"]}`, busyErr, no},
		"no, with 0":                 {`{"ok_to_stop":false,"osds":[0,1],"num_ok_pgs":0,"num_not_ok_pgs":33}`, nil, no},
		"yes, but some are not":      {`{"ok_to_stop":true,"osds":[0,1],"num_not_ok_pgs":1}`, nil, no},
		"yes, with EBUSY":            {`{"ok_to_stop":true,"osds":[0,1],"num_not_ok_pgs":0}`, busyErr, no},
		"about another":              {`{"ok_to_stop":true,"osds":[0],"num_not_ok_pgs":0}`, nil, unknown},
		"nothing":                    {``, nil, unknown},
		"cut":                        {`{"ok_to_stop":true,"osds":[0,1`, nil, unknown},
		"no numbers":                 {`{"ok_to_stop":true,"osds":[0,1]}`, nil, unknown},
		"EAGAIN":                     {``, again, unknown},
		"EBUSY in text (Octopus)":    {``, busyErr, no},
		"Octopus":                    {"OSD(s) 0,1 are ok to stop without reducing availability or risking data, provided there are no other concurrent failures or interventions.\n33 PGs are likely to be degraded (but remain available) as a result.", nil, yes},
		"Luminous":                   {"OSD(s) 0,1 are ok to stop without reducing availability, provided there are no other concurrent failures or interventions. 33 PGs are likely to be degraded (but remain available) as a result.", nil, yes},
		"Luminous, of another":       {"OSD(s) 0,11 are ok to stop without reducing availability, provided", nil, unknown},
		"text that says the reverse": {"OSD(s) 0,1 are NOT ok to stop without reducing availability", nil, unknown},
	} {
		if err := readOKToStop(Policy{}, []int{0, 1}, []byte(c.body), c.err); kind(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	worse := `{"ok_to_stop":false,"osds":[0,1],"num_not_ok_pgs":2,"bad_already_inactive":["2.0"],"bad_become_inactive":["2.1"]}`
	already := `{"ok_to_stop":false,"osds":[0,1],"num_not_ok_pgs":1,"bad_already_inactive":["2.0"]}`
	both := `{"ok_to_stop":false,"osds":[0,1],"num_not_ok_pgs":1,"bad_already_inactive":["2.0"],"bad_become_inactive":["2.0"]}` // as 16.2.15 has it
	for body, want := range map[string]string{worse: no, already: yes, both: yes} {
		if err := readOKToStop(Policy{Degraded: true}, []int{0, 1}, []byte(body), busyErr); kind(err) != want {
			t.Errorf("degraded permitted, %s: %v, want %s", body, err, want)
		}
	}
	if err := OKToStop(t.Context(), answers{}); kind(err) != no {
		t.Errorf("of no OSD: %v", err)
	}
}

func FuzzReadOKToStop(f *testing.F) {
	f.Add(`{"ok_to_stop":true,"osds":[0,1],"num_not_ok_pgs":0}`)
	f.Add("OSD(s) 0,1 are ok to stop without reducing availability")
	f.Fuzz(func(t *testing.T, body string) {
		if readOKToStop(Policy{}, []int{0, 1}, []byte(body), nil) == nil && !strings.Contains(body, "1") {
			t.Errorf("yes to %q", body)
		}
	})
}

func TestMargin(t *testing.T) {
	m := &Map{
		Pools: []Pool{{ID: 1, Type: 1, Size: 3, MinSize: 2}, {ID: 2, Type: 3, Size: 6, MinSize: 5, Profile: "ec"},
			{ID: 3, Type: 1, Size: 2, MinSize: 1}, {ID: 4, Type: 3, Size: 6, Profile: "lost"},
			{ID: 5, Type: 3, Size: 3, MinSize: 2, Profile: "two"}},
		Profiles: map[string]map[string]string{"ec": {"k": "4", "m": "2"}, "two": {"k": "2", "m": "1"}},
	}
	for _, c := range []struct {
		pg   PG
		osds []int
		p    Policy
		want string
	}{
		{PG{ID: "1.0", State: "active+clean", Acting: []int{0, 1, 2}}, []int{0}, Policy{}, yes},
		{PG{ID: "1.0", State: "active+clean", Acting: []int{0, 1, 2}}, []int{0, 1}, Policy{}, no},
		{PG{ID: "1.0", State: "active+undersized+degraded", Acting: []int{0, 1}}, []int{0}, Policy{}, no},
		{PG{ID: "1.0", State: "peering", Acting: []int{0, 1, 2}}, []int{0}, Policy{}, no},
		{PG{ID: "1.0", State: "active+undersized+degraded", Acting: []int{0, 1}}, []int{2}, Policy{Degraded: true}, yes},
		{PG{ID: "2.0", State: "active+clean", Acting: []int{0, 1, 2, 3, 4, 5}}, []int{0}, Policy{}, yes},
		{PG{ID: "2.0", State: "active+clean", Acting: []int{0, 1, 2, 3, 4, none}}, []int{0}, Policy{}, no},
		{PG{ID: "2.0", State: "active+clean", Acting: []int{0, 1, 2, 3, 4, 5}}, []int{0}, Policy{Lowest: 6}, no},
		{PG{ID: "5.0", State: "active+clean", Acting: []int{0, 1, 2}}, []int{0}, Policy{}, no},
		{PG{ID: "5.0", State: "active+clean", Acting: []int{0, 1, 2}}, []int{0}, Policy{Lowest: 1}, no},
		{PG{ID: "5.0", State: "active+clean", Acting: []int{0, 1, 2}}, []int{0}, Policy{NoSpare: true}, yes},
		{PG{ID: "5.0", State: "active+clean", Acting: []int{0, 1, 2}}, []int{0, 1}, Policy{NoSpare: true}, no},
		{PG{ID: "2.0", State: "active+clean", Acting: []int{0, 1, 2, 3, 4, 5}}, []int{0, 1}, Policy{NoSpare: true}, no}, // min_size is 5
		{PG{ID: "1.0", State: "active+clean", Acting: []int{0, 1, 2}}, []int{0, 1}, Policy{NoSpare: true}, no},
		{PG{ID: "3.0", State: "active+clean", Acting: []int{0, 1}}, []int{0}, Policy{}, no},
		{PG{ID: "3.0", State: "active+clean", Acting: []int{0, 1}}, []int{0}, Policy{Lowest: 1}, yes},
		{PG{ID: "4.0", State: "active+clean", Acting: []int{0, 1}}, []int{0}, Policy{}, unknown},
		{PG{ID: "9.0", State: "active+clean", Acting: []int{0, 1}}, []int{0}, Policy{}, unknown},
	} {
		if err := m.margin(c.pg, c.p, c.osds); kind(err) != c.want {
			t.Errorf("%+v stopping %v: %v, want %s", c.pg, c.osds, err, c.want)
		}
	}
}

// down answers as the manager does when asked for the placement groups of an
// OSD that is down (16.2.15).
type down struct {
	answers
	osd int
}

func (d down) Command(ctx context.Context, c ceph.Command) (io.ReadCloser, error) {
	if c.Prefix == "pg ls-by-osd" && c.Args[0].Value == d.osd {
		return ceph.Answer([]byte(`{"pg_ready":true}`), ceph.Failed(c, 11, "osd 0 is not up")), nil
	}
	return d.answers.Command(ctx, c)
}

// A second OSD of a failure domain may be stopped while the first is down, if
// they have no placement group in common.
func TestMayStopSecond(t *testing.T) {
	for state, want := range map[string]string{"active+clean": yes, "active+undersized+degraded": no} {
		to := down{answers{
			"osd dump":       {body: `{"epoch":5,"fsid":"f","pools":[{"pool":1,"type":1,"size":3,"min_size":2}],"osds":[{"osd":0,"up":0,"up_from":4},{"osd":1,"up":1,"up_from":4}]}`},
			"mgr dump":       {body: `{"available":true,"active_name":"x"}`},
			"status":         {body: `{"pgmap":{"pgs_by_state":[{"state_name":"active+clean","count":1}]}}`},
			"pg ls-by-osd":   {body: `{"pg_ready":true,"pg_stats":[{"pgid":"1.0","state":"` + state + `","acting":[1,2,3],"reported_epoch":5}]}`},
			"osd ok-to-stop": {body: `{"ok_to_stop":true,"osds":[0,1],"num_not_ok_pgs":0}`},
		}, 0}
		if err := MayStop(t.Context(), to, Policy{}, 0, 1); kind(err) != want {
			t.Errorf("%s: %v, want %s", state, err, want)
		}
	}
}

func TestMayStop(t *testing.T) {
	good := func() answers {
		return answers{
			"osd dump":       {body: `{"epoch":5,"fsid":"f","flags":"sortbitwise","pools":[{"pool":1,"type":1,"size":3,"min_size":2}],"osds":[{"osd":0,"up":1,"up_from":4}]}`},
			"mgr dump":       {body: `{"available":true,"active_name":"x"}`},
			"status":         {body: `{"pgmap":{"pgs_by_state":[{"state_name":"active+clean","count":1}]}}`},
			"pg ls-by-osd":   {body: `{"pg_ready":true,"pg_stats":[{"pgid":"1.0","state":"active+clean","acting":[0,1,2],"reported_epoch":5}]}`},
			"osd ok-to-stop": {body: `{"ok_to_stop":true,"osds":[0],"num_not_ok_pgs":0}`},
		}
	}
	if err := MayStop(t.Context(), good(), Policy{}, 0); err != nil {
		t.Error(err)
	}
	if err := Settled(t.Context(), good(), Policy{}, 0); err != nil {
		t.Error(err)
	}
	for prefix, bodies := range map[string]map[string]string{
		"osd dump":       {`{"epoch":5,"fsid":"f","flags":"nodown","osds":[{"osd":0}]}`: no, `{}`: unknown},
		"mgr dump":       {`{"available":false}`: no, `{}`: unknown},
		"status":         {`{"pgmap":{"pgs_by_state":[{"state_name":"unknown","count":1}]}}`: no, `{}`: unknown},
		"pg ls-by-osd":   {`{"pg_ready":false,"pg_stats":[]}`: unknown, `{}`: unknown, `[{"pgid":"1.0","state":"active+clean","acting":[0,1]}]`: no},
		"osd ok-to-stop": {`{"ok_to_stop":false,"osds":[0],"num_not_ok_pgs":3}`: no},
	} {
		for body, want := range bodies {
			a := good()
			a[prefix] = struct {
				body string
				err  error
			}{body, nil}
			if err := MayStop(t.Context(), a, Policy{}, 0); kind(err) != want {
				t.Errorf("%s %s: %v, want %s", prefix, body, err, want)
			}
		}
	}
}
