package dhcp_test

import (
	"sync"
	"testing"
	"time"

	lab "github.com/stackmend/stackmend/internal/lab/dhcp"
)

// TestLive plays every failure with real programs and judges it from both
// sides, from logs or captures alone, and from each. Plays wait, nearly all of
// the time: they go on all at once, however few tests may run side by side.
func TestLive(t *testing.T) {
	t.Parallel()
	all := []lab.Setup{
		{Case: "normal", Server: lab.Kea, Client: lab.Dhcpcd}, {Case: "rx-dead", Server: lab.Kea, Client: lab.Dhcpcd},
		{Case: "replies-dropped", Server: lab.Dhcpd, Client: lab.Udhcpc}, {Case: "network-cut", Server: lab.Dhcpd, Client: lab.Udhcpc},
		{Case: "rx-dead", Server: lab.Dnsmasq, Client: lab.Dhcpcd, Quiet: true},
	}
	for name := range plays {
		all = append(all, lab.Setup{Case: name, Server: lab.Dnsmasq, Client: lab.Dhclient})
	}
	var group sync.WaitGroup
	for _, s := range all {
		group.Go(func() {
			t.Run(s.Client+"-"+s.Server+"/"+s.Case, func(t *testing.T) {
				s.Dir = t.TempDir() + "/" + s.Case
				r := lab.Play(t, s)
				checkPlay(t, r.Dir, time.Now())
			})
		})
	}
	group.Wait()
}
