package dhcp_test

import (
	"testing"
	"time"

	lab "github.com/stackmend/stackmend/internal/lab/dhcp"
)

// TestLive plays every failure with real programs, side by side, and judges it
// from both sides, from logs or captures alone, and from each.
func TestLive(t *testing.T) {
	all := []lab.Setup{
		{Case: "normal", Server: lab.Kea, Client: lab.Dhcpcd}, {Case: "rx-dead", Server: lab.Kea, Client: lab.Dhcpcd},
		{Case: "replies-dropped", Server: lab.Dhcpd, Client: lab.Udhcpc},
	}
	for name := range plays {
		all = append(all, lab.Setup{Case: name, Server: lab.Dnsmasq, Client: lab.Dhclient})
	}
	for _, s := range all {
		t.Run(s.Client+"-"+s.Server+"/"+s.Case, func(t *testing.T) {
			t.Parallel()
			s.Dir = t.TempDir() + "/" + s.Case
			r := lab.Play(t, s)
			checkPlay(t, r.Dir, time.Now())
		})
	}
}
