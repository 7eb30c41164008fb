package main

import (
	"errors"
	"io"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/bpdu"
)

var bpduTale = tale{
	name: "bpdu", title: "One instance takes its compute node off the network",
	story: "A compute node's bond goes down while its management card stays up; it looks like a dead network card. " +
		"An hour later the next node goes the same way. The answer is in the switches' logs, if somebody reads them beside the cloud's ports.",
	play: playBPDU,
}

func playBPDU(s *stage) error {
	log, err := bpdu.ReadLogFiles(s.ctx, s.inputs, "switches.log", bpdu.LogOptions{Now: time.Date(2026, 2, 16, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		return err
	}
	cloud := &bpdu.Cloud{}
	err = errors.Join(
		read(s.inputs, "ports.json", func(r io.Reader, _ string) error { return cloud.ReadPorts(r) }),
		read(s.inputs, "servers.json", func(r io.Reader, _ string) error { return cloud.ReadServers(r) }))
	if err != nil {
		return err
	}
	snapshot := &bpdu.Snapshot{Taken: time.Now(), Subject: "SW-1", Log: &log, Cloud: cloud}
	if err := s.result("Who did it", "The switch's log, and the answers to GET /v2.0/ports and /servers/detail.", bpdu.Check(snapshot)); err != nil {
		return err
	}
	return filterBPDU(s, snapshot)
}

// filterBPDU plans the filters of a node whose bond has gone.
func filterBPDU(s *stage, snapshot *bpdu.Snapshot) error {
	at := *snapshot
	at.Host = &bpdu.Host{Name: "node1", Links: []bpdu.Link{
		{Index: 2, Name: "bond0", Kind: "bond", MAC: "02:00:00:00:00:02", Master: "br100", Ether: true, Admin: true, Carrier: true},
		{Index: 3, Name: "eth0", MAC: "02:00:00:00:00:02", Master: "bond0", Ether: true, Admin: true, Carrier: true},
		{Index: 5, Name: "br100", Kind: "bridge", MAC: "02:00:00:00:00:05", Ether: true, Admin: true, Carrier: true},
		{Index: 9, Name: "tap11111111-11", Kind: "tun", MAC: "fe:16:3e:24:e7:22", Master: "br100", Ether: true, Admin: true, Carrier: true},
	}}
	empty := stackmend.Result{Check: "bpdu", Subject: "node1", Status: stackmend.OK}
	wrong, err := bpdu.Plan(&at, bpdu.Selection{Taps: []string{"bond0"}}, bpdu.PlanOptions{Now: time.Now()})
	if err != nil {
		return err
	}
	empty.Plan = wrong
	if err := s.result("What it refuses to filter", "An uplink is not an instance: filtering it would cut the node's own spanning tree.", empty); err != nil {
		return err
	}
	plan, err := bpdu.Plan(&at, bpdu.Selection{All: true}, bpdu.PlanOptions{Now: time.Now()})
	if err != nil {
		return err
	}
	empty.Plan = plan
	return s.result("What it would filter",
		"All taps of the bridge in one transaction, in a table of its own; LACP, LLDP and all else pass. "+
			"Carrying it out takes a kernel and root, so this tale ends with the plan (its node is made up): the tests of the package send real frames through it.", empty)
}
