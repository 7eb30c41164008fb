package dhcp_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/dhcp"
	lab "github.com/stackmend/stackmend/internal/lab/dhcp"
)

// fleet is what is seen of instances on two bridges after something was done to
// them, when all had their leases.
func fleet(t *testing.T, do func(f *lab.Fleet, server interface{ Stop() })) stackmend.Result {
	f, dir := lab.NewFleet(t, 2, 4), t.TempDir()
	server := lab.StartServer(t, f.Server, lab.Dnsmasq, filepath.Join(dir, "server.log"), lab.Quick)
	for _, m := range f.Instances { // one after the other: dnsmasq offers several the same address if they ask at once, and refuses all but one
		lab.StartClient(t, m.Namespace, lab.Dhclient, filepath.Join(dir, m.MAC))
	}
	do(f, server)
	time.Sleep(lab.Quick.Watch)
	now := time.Now()
	s := &dhcp.Snapshot{Subject: "the fleet", Taken: now, Until: now}
	read := func(name string, o dhcp.ReadOptions) {
		o.Now = now
		trace, err := dhcp.ReadLogFiles(t.Context(), os.DirFS(dir), name, dhcp.Auto, o)
		if err != nil {
			t.Fatal(err)
		}
		s.Traces = append(s.Traces, trace)
	}
	read("server.log", dhcp.ReadOptions{})
	for _, m := range f.Instances {
		mac, err := dhcp.ParseMAC(m.MAC)
		if err != nil {
			t.Fatal(err)
		}
		read(m.MAC, dhcp.ReadOptions{MAC: mac})
		s.Instances = append(s.Instances, dhcp.Instance{MAC: mac, Host: "host of " + m.Bridge, Bridge: m.Bridge})
	}
	return dhcp.Check(s)
}

// TestFleet: of real instances in trouble at once it is said what they share.
// The fleets wait nearly all of the time, as plays do: all at once.
func TestFleet(t *testing.T) {
	t.Parallel()
	var group sync.WaitGroup
	for name, c := range map[string]struct {
		do            func(f *lab.Fleet, server interface{ Stop() })
		want, wantNot []string // of findings on what is common
		healthy       int
	}{
		"a bridge is cut off": {func(f *lab.Fleet, _ interface{ Stop() }) { f.Cut(1) },
			[]string{"4 of the 4 clients of bridge br1 are in trouble, elsewhere 0 of 4", "4 of 4 troubled clients had their first unanswered request within one minute"}, []string{"br2"}, 4},
		"the server ends": {func(_ *lab.Fleet, server interface{ Stop() }) { server.Stop() },
			[]string{"8 of 8 troubled clients had their first unanswered request within one minute"}, []string{"of bridge br1", "of bridge br2"}, 0},
		"nothing happens": {func(*lab.Fleet, interface{ Stop() }) {}, nil, []string{"one cause", "one event"}, 8},
	} {
		group.Go(func() {
			t.Run(name, func(t *testing.T) { checkFleet(t, c.do, c.want, c.wantNot, c.healthy) })
		})
	}
	group.Wait()
}

func checkFleet(t *testing.T, do func(*lab.Fleet, interface{ Stop() }), wants, wantNot []string, well int) {
	r := fleet(t, do)
	healthy, told := 0, ""
	for _, f := range r.Findings {
		switch f.Code {
		case dhcp.Healthy:
			healthy++
		case dhcp.CodeCommonCause, dhcp.CodeManyCauses:
			told += f.Message + "\n"
		}
	}
	for _, want := range wants {
		if !strings.Contains(told, want) {
			t.Errorf("not told: %s", want)
		}
	}
	for _, not := range wantNot {
		if strings.Contains(told, not) {
			t.Errorf("told: %s", not)
		}
	}
	if healthy != well || t.Failed() {
		t.Errorf("%d are healthy, want %d\n%s\n%+v", healthy, well, told, r.Findings)
	}
}
