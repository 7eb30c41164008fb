package dhcp_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

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
				if !dhcp.Can(name, server, client) || *record == "" && name != "nak-wrong-network" {
					continue
				}
				t.Run(client+"-"+server+"/"+name, func(t *testing.T) { t.Parallel(); play(t, s) })
				if *record != "" && server == dhcp.Dnsmasq {
					q := s
					q.Quiet = true
					t.Run(client+"-"+server+"/"+name+quiet, func(t *testing.T) { t.Parallel(); play(t, q) })
				}
			}
		}
	}
}

// quiet marks the recordings of a dnsmasq without --log-dhcp.
const quiet = "-nologdhcp"

func play(t *testing.T, s dhcp.Setup) {
	if *record != "" {
		s.Dir = filepath.Join(*record, s.Client+"-"+s.Server, s.Case)
		if s.Quiet {
			s.Dir += quiet
		}
	}
	if *record != "" && s.Client == dhcp.Dhclient && s.Server == dhcp.Dnsmasq {
		s.Times = dhcp.Usual
	}
	r := dhcp.Play(t, s)
	if *record != "" {
		if err := os.WriteFile(filepath.Join(r.Dir, "until"), []byte(time.Now().UTC().Format(time.RFC3339)+"\n"), 0o644); err != nil {
			t.Error(err)
		}
	}
	for _, f := range []string{dhcp.ServerLog, dhcp.ClientLog, dhcp.ServerCapture, dhcp.ClientCapture, dhcp.TapCapture} {
		if i, err := os.Stat(filepath.Join(r.Dir, f)); err != nil || i.Size() < 250 {
			t.Errorf("%s: %v, %v", f, i, err)
		}
	}
}
