package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/mtu"
)

var mtuTale = tale{
	name: "mtu", title: "ls works, ps aux hangs",
	story: "Users of some instances can log in and list a folder, but whatever answers with more than a few lines hangs for ever. " +
		"Nothing is in any log. The operators of the day needed four captures, a pencil and a sheet of paper.",
	play: playMTU,
}

func playMTU(s *stage) error {
	snapshot, err := mtuSnapshot(s.inputs)
	if err != nil {
		return err
	}
	err = s.result("What a check of the link tables says",
		"From the compute node, the controller and the instance: `ip -d -j link`, nova.conf, and captures of a ping at six points.", mtu.Check(&snapshot))
	if err != nil {
		return err
	}
	paths, err := mtu.Paths(snapshot.Hosts, nil)
	if err != nil {
		return err
	}
	if err := errors.Join(
		s.table(func(w io.Writer) error { return mtu.WriteText(w, paths[0]) }),
		s.picture("The stack under the instance's tap, the culprit marked", func(w io.Writer) error { return mtu.WriteSVG(w, paths[0]) }),
	); err != nil {
		return err
	}
	return mendMTU(s, snapshot)
}

// mtuSnapshot reads the recorded files.
func mtuSnapshot(inputs fs.FS) (mtu.Snapshot, error) {
	s := mtu.Snapshot{Taken: time.Now()}
	for _, name := range []string{"cmp", "ctl", "inst"} {
		var h mtu.Host
		err := read(inputs, "bad-"+name+".ip-d-j-link.json", func(r io.Reader, source string) (err error) {
			h, err = mtu.ReadLinks(r, name, source)
			return err
		})
		if err != nil {
			return s, err
		}
		s.Hosts = append(s.Hosts, h)
	}
	err := read(inputs, "bad-cmp.ethtool-k-e0.txt", func(r io.Reader, source string) error { return s.Hosts[0].ReadFeatures(r, source) })
	for _, point := range []string{"inst-eth0", "cmp-vnet0", "cmp-bond0", "cmp-e0", "ctl-e0", "ctl-bond0"} {
		err = errors.Join(err, read(inputs, "bad-"+point+".pcap", func(r io.Reader, source string) error {
			c, err := mtu.ReadCapture(r, point, source)
			s.Captures = append(s.Captures, c)
			return err
		}))
	}
	nova, confErr := mtu.ReadNova(inputs, "nova.conf")
	nova.Host = "cmp"
	s.Configs = append(s.Configs, nova)
	return s, errors.Join(err, confErr)
}

// read gives an input to a parser.
func read(inputs fs.FS, name string, parse func(r io.Reader, source string) error) error {
	f, err := inputs.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := parse(f, name); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// mendMTU plans and carries out the first aid on a copy of the compute node's
// links, in memory.
func mendMTU(s *stage, seen mtu.Snapshot) error {
	host := seen.Hosts[0]
	var changes []mtu.Change
	for _, link := range []string{"e0", "e1", "bond0", "vlan20"} {
		changes = append(changes, mtu.Change{Link: link, MTU: 1504})
	}
	plan, err := mtu.Plan(host, changes, mtu.PlanOptions{Now: time.Now()})
	if err != nil {
		return err
	}
	links := &linkTable{host: host, own: "bond0"}
	session := mtu.ApplierOptions{Session: []netip.Addr{netip.MustParseAddr("198.51.100.7")}}
	if err := s.run("First aid: room for the second tag",
		"The cure is one line of nova.conf (above); until then the links under it can carry 4 bytes more. But the operator's own session comes in through bond0.",
		plan, mtu.NewApplier(links, session), stackmend.Options{Mode: stackmend.Apply}); err != nil {
		return err
	}
	links.own = "mgmt0"
	if err := s.run("From the management network",
		"Now the session does not hang on what is changed. The members of the bond one at a time, then the bond, then the VLAN. (Carried out on a copy of the link table, in memory.)",
		plan, mtu.NewApplier(links, session), stackmend.Options{Mode: stackmend.Apply}); err != nil {
		return err
	}
	after := mtu.Snapshot{Taken: time.Now(), Hosts: []mtu.Host{links.host}, Configs: seen.Configs}
	return s.result("The check again",
		"The compute node alone has room now. What remains is said: the line of nova.conf still stands, and nobody has looked at the switch.", mtu.Check(&after))
}

// linkTable is a host's links in memory.
type linkTable struct {
	host mtu.Host
	own  string // the link of the operator's session
}

// Read implements mtu.Links.
func (l *linkTable) Read(context.Context) (mtu.Host, error) {
	h := l.host
	h.Links = append([]mtu.Link(nil), h.Links...)
	return h, nil
}

// SetMTU implements mtu.Links. Like the kernel's bond, it sets its members too.
func (l *linkTable) SetMTU(_ context.Context, index int, name string, size int) error {
	h, _ := l.Read(context.Background())
	found := false
	for i, k := range h.Links {
		if k.Index == index && k.Name == name || k.Master == index && strings.HasPrefix(name, "bond") {
			h.Links[i].MTU = size
			found = true
		}
	}
	if !found {
		return fs.ErrNotExist
	}
	l.host = h
	return nil
}

// Ways implements mtu.Links.
func (l *linkTable) Ways(context.Context, ...netip.Addr) ([]string, error) {
	return []string{l.own}, nil
}
