package bpdu

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// netdevLayout has a chain at the ingress of each tap:
//
//	ether daddr @bpdu_groups update @seen { iif . ether saddr counter }
//	ether daddr @bpdu_groups counter drop
type netdevLayout struct{}

const chainPrefix = "from_"

func (netdevLayout) sets() []string { return []string{setGroups, setSeen} }

func (netdevLayout) create(*nftables.Conn) error { return nil }

func (netdevLayout) change(c *nftables.Conn, remove, add []string) error {
	table := FamilyNetdev.table()
	for _, tap := range remove {
		c.DelChain(&nftables.Chain{Table: table, Name: chainPrefix + tap})
	}
	accept := nftables.ChainPolicyAccept
	for _, tap := range add {
		chain := c.AddChain(&nftables.Chain{Name: chainPrefix + tap, Table: table, Type: nftables.ChainTypeFilter, Device: tap,
			Hooknum: nftables.ChainHookIngress, Priority: nftables.ChainPriorityRaw, Policy: &accept})
		for _, exprs := range netdevRules() {
			c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: exprs})
		}
	}
	return nil
}

func netdevRules() [2][]expr.Any {
	return [2][]expr.Any{append(isBPDU(FamilyNetdev), countSource(FamilyNetdev)...), append(isBPDU(FamilyNetdev), countDrop()...)}
}

// read reads each chain, the device that it is bound to, and its rules.
func (netdevLayout) read(k Kernel, c *nftables.Conn, t *Table, present map[string]bool) error {
	devices, err := k.chainDevices()
	if err != nil {
		return err
	}
	for chain, device := range devices {
		tap, ok := strings.CutPrefix(chain, chainPrefix)
		if !ok {
			t.Foreign = fmt.Sprintf("it has a chain %q", chain)
			return nil
		}
		f := TapFilter{Tap: tap}
		rules, err := c.GetRules(FamilyNetdev.table(), &nftables.Chain{Name: chain})
		switch {
		case err != nil:
			return fmt.Errorf("bpdu: nftables: %w", err)
		case device != tap:
			f.Fault = fmt.Sprintf("its chain is bound to %q", device)
		case !present[tap]:
			f.Fault = gone
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
	want := netdevRules()
	if len(rules) != len(want) || !same(rules[0].Exprs, want[0]) || !same(rules[1].Exprs, want[1]) {
		f.Fault = rulesDiffer
		return
	}
	for _, e := range rules[1].Exprs {
		if counter, ok := e.(*expr.Counter); ok {
			f.Packets, f.Bytes = counter.Packets, counter.Bytes
		}
	}
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
