package bpdu

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// table reads our table back, nil if there is none.
func (k Kernel) table() (*Table, error) {
	c, err := k.nft()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.CloseLasting() }()
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyNetdev)
	if err != nil {
		return nil, explain(err)
	}
	if !slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == TableName }) {
		return nil, nil
	}
	links, err := k.linkNames()
	if err != nil {
		return nil, err
	}
	t := &Table{}
	if t.Foreign, err = k.foreign(c); err != nil || t.Foreign != "" {
		return t, err
	}
	if err := k.readTaps(c, t, links); err != nil {
		return nil, err
	}
	return t, k.readSeen(c, t, links)
}

func (k Kernel) linkNames() (map[int]string, error) {
	links, err := k.links(context.Background())
	names := map[int]string{}
	for _, l := range links {
		names[l.Index] = l.Name
	}
	return names, err
}

// foreign says why the table is not one that replace has made.
func (k Kernel) foreign(c *nftables.Conn) (string, error) {
	sets, err := c.GetSets(ours())
	if err != nil {
		return "", fmt.Errorf("bpdu: nftables: %w", err)
	}
	var names []string
	for _, s := range sets {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{setGroups, setSeen}) {
		return fmt.Sprintf("it has the sets %q, ours has %q", names, []string{setGroups, setSeen}), nil
	}
	elements, err := c.GetSetElements(&nftables.Set{Table: ours(), Name: setGroups})
	if err != nil {
		return "", fmt.Errorf("bpdu: nftables: %w", err)
	}
	var have []string
	for _, e := range elements {
		have = append(have, net.HardwareAddr(e.Key).String())
	}
	want := groups()
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		return fmt.Sprintf("its set %s has %q", setGroups, have), nil
	}
	return "", nil
}

// readTaps reads each chain, the device that it is bound to, and its rules.
func (k Kernel) readTaps(c *nftables.Conn, t *Table, links map[int]string) error {
	devices, err := k.chainDevices()
	if err != nil {
		return err
	}
	present := map[string]bool{}
	for _, name := range links {
		present[name] = true
	}
	for chain, device := range devices {
		tap, ok := strings.CutPrefix(chain, chainPrefix)
		if !ok {
			t.Foreign = fmt.Sprintf("it has a chain %q", chain)
			return nil
		}
		f := TapFilter{Tap: tap}
		rules, err := c.GetRules(ours(), &nftables.Chain{Name: chain})
		switch {
		case err != nil:
			return fmt.Errorf("bpdu: nftables: %w", err)
		case device != tap:
			f.Fault = fmt.Sprintf("its chain is bound to %q", device)
		case !present[tap]:
			f.Fault = "the device is gone"
		default:
			f.readRules(rules)
		}
		t.Taps = append(t.Taps, f)
	}
	slices.SortFunc(t.Taps, func(a, b TapFilter) int { return strings.Compare(a.Tap, b.Tap) })
	return nil
}

// readRules compares the rules with what replace has written.
func (f *TapFilter) readRules(rules []*nftables.Rule) {
	if len(rules) != 2 || !shaped(rules[0].Exprs, "payload lookup meta payload dynset") || !shaped(rules[1].Exprs, "payload lookup counter drop") {
		f.Fault = "its rules are not those that were written"
		return
	}
	counter := rules[1].Exprs[2].(*expr.Counter)
	f.Packets, f.Bytes = counter.Packets, counter.Bytes
}

// shaped reports whether a rule is of these expressions.
func shaped(exprs []expr.Any, want string) bool {
	var have []string
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Payload:
			have = append(have, "payload")
		case *expr.Lookup:
			if e.SetName != setGroups || e.Invert {
				return false
			}
			have = append(have, "lookup")
		case *expr.Meta:
			have = append(have, "meta")
		case *expr.Dynset:
			have = append(have, "dynset")
		case *expr.Counter:
			have = append(have, "counter")
		case *expr.Verdict:
			if e.Kind == expr.VerdictDrop {
				have = append(have, "drop")
			}
		default:
			return false
		}
	}
	return strings.Join(have, " ") == want
}

// readSeen reads the counters by source.
func (k Kernel) readSeen(c *nftables.Conn, t *Table, links map[int]string) error {
	elements, err := c.GetSetElements(&nftables.Set{Table: ours(), Name: setSeen})
	if err != nil {
		return fmt.Errorf("bpdu: nftables: %w", err)
	}
	for _, e := range elements {
		if len(e.Key) < 10 {
			continue
		}
		s := Counter{Tap: links[int(binaryutil.NativeEndian.Uint32(e.Key[:4]))], MAC: net.HardwareAddr(e.Key[4:10]).String()}
		if e.Counter != nil {
			s.Packets, s.Bytes = e.Counter.Packets, e.Counter.Bytes
		}
		if e.Expires > 0 {
			s.Idle = seenTimeout - e.Expires
		}
		t.Seen = append(t.Seen, s)
	}
	slices.SortFunc(t.Seen, func(a, b Counter) int { return strings.Compare(a.Tap+" "+a.MAC, b.Tap+" "+b.MAC) })
	return nil
}

// chainDevices reads which device each of our chains is bound to. The library
// does not decode that.
func (k Kernel) chainDevices() (map[string]string, error) {
	c, err := k.dial(unix.NETLINK_NETFILTER, 0)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	replies, err := c.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETCHAIN, Flags: netlink.Request | netlink.Dump},
		Data:   []byte{unix.NFPROTO_NETDEV, unix.NFNETLINK_V0, 0, 0},
	})
	if err != nil {
		return nil, fmt.Errorf("bpdu: nftables: chains: %w", err)
	}
	out := map[string]string{}
	for _, m := range replies {
		if len(m.Data) < 4 {
			continue
		}
		table, chain, device, err := decodeChain(m.Data[4:])
		if err != nil {
			return nil, err
		}
		if table == TableName {
			out[chain] = device
		}
	}
	return out, nil
}

func decodeChain(b []byte) (table, chain, device string, err error) {
	ad, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return "", "", "", fmt.Errorf("bpdu: nftables: chain: %w", err)
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_CHAIN_TABLE:
			table = ad.String()
		case unix.NFTA_CHAIN_NAME:
			chain = ad.String()
		case unix.NFTA_CHAIN_HOOK:
			ad.Nested(func(n *netlink.AttributeDecoder) error {
				for n.Next() {
					if n.Type() == unix.NFTA_HOOK_DEV {
						device = n.String()
					}
				}
				return nil
			})
		}
	}
	return table, chain, device, ad.Err()
}

// others counts the chains of the tables of others.
func (k Kernel) others() ([]OtherTable, error) {
	c, err := k.nft()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.CloseLasting() }()
	var out []OtherTable
	for family, name := range map[nftables.TableFamily]string{nftables.TableFamilyNetdev: "netdev", nftables.TableFamilyBridge: "bridge"} {
		chains, err := c.ListChainsOfTableFamily(family)
		if err != nil {
			return nil, fmt.Errorf("bpdu: nftables: %w", explain(err))
		}
		count := map[string]int{}
		for _, ch := range chains {
			if ch.Table != nil && !(name == "netdev" && ch.Table.Name == TableName) {
				count[ch.Table.Name]++
			}
		}
		for table, n := range count {
			out = append(out, OtherTable{name, table, n})
		}
	}
	slices.SortFunc(out, func(a, b OtherTable) int { return strings.Compare(a.Family+a.Name, b.Family+b.Name) })
	return out, nil
}
