package live

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/dhcp"
	ports "github.com/stackmend/stackmend/dhcp/openstack"
	"github.com/stackmend/stackmend/internal/appliertest"
	"github.com/stackmend/stackmend/internal/lab/openstack"
)

// A bystander says what it is told to: no guest runs in this cloud.
type bystander struct {
	alive  func() bool
	broken func() bool
}

func (b bystander) Sign(context.Context, dhcp.MAC, time.Time, bool) (dhcp.Sign, error) {
	switch {
	case b.broken != nil && b.broken():
		return dhcp.Sign{}, errors.New("the capture has ended")
	case b.alive != nil && b.alive():
		return dhcp.Sign{At: time.Now(), What: "it lives"}, nil
	}
	return dhcp.Sign{}, nil
}

// A noted port tells whether it was ever taken down.
type noted struct {
	ports.Neutron
	down *bool
}

func (n noted) SetPort(ctx context.Context, id string, m dhcp.MAC, up bool) error {
	err := n.Neutron.SetPort(ctx, id, m, up)
	*n.down = *n.down || err == nil && !up
	return err
}

// deaf is what both sides of a recording saw, as if of the instance.
func deaf(t *testing.T, i dhcp.Instance) *dhcp.Snapshot {
	t.Helper()
	s := &dhcp.Snapshot{Subject: "rx-dead", Instances: []dhcp.Instance{i}, Only: []dhcp.MAC{i.MAC}}
	recorded, _ := dhcp.ParseMAC("fa:16:3e:24:e7:22")
	o := dhcp.ReadOptions{Now: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)}
	for _, name := range []string{"server.log", "client.log"} {
		trace, err := dhcp.ReadLogFiles(t.Context(), os.DirFS("../../dhcp/testdata/lab/dhclient-dnsmasq/rx-dead"), name, dhcp.Auto, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, track := range trace.Tracks {
			if track.MAC == recorded || track.MAC == (dhcp.MAC{}) {
				track.MAC = i.MAC
			}
		}
		s.Traces = append(s.Traces, trace)
	}
	return s
}

// dhcpPort: a port of the real Neutron goes down and up, and is put up again
// whatever ends the run.
func dhcpPort(t *testing.T, w *world) {
	network, err := ports.Login(soon(t), "", w.EnvAt(w.proxy.addr, openstack.Admin))
	if err != nil {
		t.Fatal(err)
	}
	all, err := ports.Instances(soon(t), network)
	if err != nil || len(all) < 6 || w.proxy.pages("/ports") < 2 {
		t.Fatalf("%d ports, pages %q: %v", len(all), w.proxy.asked, err)
	}
	n := ports.New(network)
	var i dhcp.Instance
	for _, one := range all {
		if one.ID == w.servers["on-c01"] {
			i = one
		}
	}
	if i.Port == "" || i.Host != "c01" {
		t.Fatalf("the port of on-c01: %+v", i)
	}
	i.ID, i.Domain = "", "" // of the port alone
	for name, c := range map[string]struct {
		alive  bool
		broken bool // once the port is down
		busy   bool // for the first change that puts it up
		want   string
	}{
		"it helps":                    {alive: true, want: "port-up"},
		"it does not help":            {want: "did not help; what is left: a hard reboot"},
		"nobody can see whether":      {broken: true, want: "the capture has ended"},
		"the API is busy for a while": {alive: true, busy: true, want: "503"},
	} {
		t.Run(name, func(t *testing.T) {
			w.proxy.breaks(nil)
			up := func() bool { up, err := n.Port(soon(t), i.Port, i.MAC); return err == nil && up }
			wasDown := false
			a := &dhcp.Applier{Port: noted{n, &wasDown}, Poll: 10 * time.Millisecond, Witness: bystander{
				alive:  func() bool { return wasDown && c.alive },
				broken: func() bool { return wasDown && c.broken }}}
			p, err := dhcp.Plan(deaf(t, i), dhcp.Selection{MACs: []dhcp.MAC{i.MAC}}, dhcp.PlanOptions{Now: time.Now(), Wait: 200 * time.Millisecond})
			if err != nil || len(p.Steps) != 2 || p.Steps[0].Verb != dhcp.VerbPortDown {
				t.Fatalf("%+v, %v", p, err)
			}
			if c.busy {
				w.proxy.breaks(refusesNth("PUT", 2))
			}
			r, err := stackmend.Run(t.Context(), p, a, stackmend.Options{Mode: stackmend.Apply})
			if told := appliertest.Describe(r); !strings.Contains(told, c.want) || (err == nil) != (name == "it helps") {
				t.Errorf("%v\n%s", err, told)
			}
			if !up() {
				t.Error("the port was left down")
			}
		})
	}
	w.proxy.breaks(nil)
	for name, c := range map[string]struct {
		id string
		m  dhcp.MAC
		is error
	}{"another's MAC": {i.Port, dhcp.MAC{2}, fs.ErrNotExist}, "no such port": {"00000000-0000-4000-8000-000000000000", i.MAC, fs.ErrNotExist}, "no id": {"../networks", i.MAC, stackmend.ErrRefused}} {
		if err := n.SetPort(soon(t), c.id, c.m, false); !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	alice, err := ports.Login(soon(t), "", w.EnvAt(w.proxy.addr, openstack.Alice))
	if err != nil {
		t.Fatal(err)
	}
	if err := ports.New(alice).SetPort(soon(t), i.Port, i.MAC, false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another's port: %v", err)
	}
}
