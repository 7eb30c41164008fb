package dhcp_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stackmend/stackmend/internal/lab/dhcp"
)

var record = flag.String("record", "", "play every failure and leave the recordings in this `folder`, by client, server and failure")

// TestPlay: a play leaves words and frames of all sides. The tests of package
// dhcp play the failures.
func TestPlay(t *testing.T) {
	for _, server := range []string{dhcp.Dnsmasq, dhcp.Kea, dhcp.Dhcpd} {
		for _, client := range []string{dhcp.Dhclient, dhcp.Dhcpcd, dhcp.Udhcpc} {
			for _, name := range dhcp.Cases() {
				s := dhcp.Setup{Case: name, Server: server, Client: client}
				if dhcp.Can(name, server, client) && (*record != "" || name == "nak-wrong-network") {
					t.Run(client+"-"+server+"/"+name, func(t *testing.T) { t.Parallel(); play(t, s) })
				}
			}
		}
	}
}

func play(t *testing.T, s dhcp.Setup) {
	if *record != "" {
		s.Dir = filepath.Join(*record, s.Client+"-"+s.Server, s.Case)
	}
	if *record != "" && s.Client == dhcp.Dhclient && s.Server == dhcp.Dnsmasq {
		s.Times = dhcp.Usual
	}
	r := dhcp.Play(t, s)
	for _, f := range []string{dhcp.ServerLog, dhcp.ClientLog, dhcp.ServerCapture, dhcp.ClientCapture, dhcp.TapCapture} {
		if i, err := os.Stat(filepath.Join(r.Dir, f)); err != nil || i.Size() < 300 {
			t.Errorf("%s: %v, %v", f, i, err)
		}
	}
}
