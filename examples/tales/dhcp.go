package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/stackmend/stackmend/dhcp"
)

var dhcpTale = tale{
	name: "dhcp", title: "The server answers, and nobody listens",
	story: "Some hours after its nightly backup an instance vanishes from the network. Its log is full of requests for an address that nobody answers, " +
		"so DHCP is blamed, restarted, and blamed again, for weeks.",
	play: playDHCP,
}

func playDHCP(s *stage) error {
	o := dhcp.ReadOptions{Now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), Zone: time.UTC}
	client, err1 := dhcp.ReadLogFiles(s.ctx, s.inputs, "dhclient.log", dhcp.Dhclient, o)
	server, err2 := dhcp.ReadLogFiles(s.ctx, s.inputs, "dnsmasq.log", dhcp.Dnsmasq, o)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	both := &dhcp.Snapshot{Taken: o.Now, Subject: "10.2.0.18", Traces: []*dhcp.Trace{client, server}}
	for _, c := range []struct {
		name  string
		point dhcp.Point
	}{{"client.pcap", dhcp.ClientCapture}, {"server.pcap", dhcp.ServerCapture}} {
		if err := read(s.inputs, c.name, func(r io.Reader, source string) error {
			t, err := dhcp.ReadCapture(s.ctx, r, source, c.point, o)
			both.Traces = append(both.Traces, t)
			return err
		}); err != nil {
			return err
		}
	}
	if err := s.result("What both sides say", "The logs of dnsmasq and of the client, and a capture at either end.", dhcp.Check(both)); err != nil {
		return err
	}
	if err := drawDHCP(s, both); err != nil {
		return err
	}
	alone := &dhcp.Snapshot{Taken: o.Now, Subject: "dhclient.log", Traces: []*dhcp.Trace{client}}
	return s.result("What the instance's log alone would have said", "Not enough, and no more is claimed.", dhcp.Check(alone))
}

// drawDHCP shows the conversation up to where it broke.
func drawDHCP(s *stage, both *dhcp.Snapshot) error {
	for c := range dhcp.Converse(both) {
		return errors.Join(
			s.table(func(w io.Writer) error {
				return head(w, 16, func(w io.Writer) error { return dhcp.WriteDiagram(w, c) })
			}),
			s.picture("The conversation, the break marked", func(w io.Writer) error { return dhcp.WriteDiagramSVG(w, c) }),
		)
	}
	return errors.New("no client in the logs")
}

// head writes the first lines of what write writes.
func head(w io.Writer, lines int, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	all := strings.SplitAfter(b.String(), "\n")
	if n := len(all) - lines; n > 1 {
		all = append(all[:lines:lines], fmt.Sprintf("... and %d lines more\n", n-1))
	}
	_, err := io.WriteString(w, strings.Join(all, ""))
	return err
}
