package bpdu

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The parts of our table.
const (
	setGroups   = "bpdu_groups" // the destination addresses that are dropped
	setSeen     = "seen"        // device and source MAC, with a counter
	chainPrefix = "from_"
	seenSize    = 8192
	seenTimeout = 24 * time.Hour
)

// socketBuffer holds a transaction of some ten thousand taps, in bytes.
const socketBuffer = 32 << 20

// groups are the addresses that BPDUs go to: the bridge group address of IEEE
// 802.1D, the provider bridge group address of 802.1ad, and that of PVST+.
// LACP (01:80:c2:00:00:02) and LLDP (..:0e) are not among them.
func groups() []string {
	return []string{"01:80:c2:00:00:00", "01:80:c2:00:00:08", "01:00:0c:cc:cc:cd"}
}

// nft opens a connection, which the caller closes.
func (k Kernel) nft() (*nftables.Conn, error) {
	c, err := nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(k.NetNS), nftables.WithSockOptions(func(s *netlink.Conn) error {
		// A transaction is one message, and the kernel answers each part of it.
		return errors.Join(s.SetWriteBuffer(socketBuffer), s.SetReadBuffer(socketBuffer))
	}))
	if err != nil {
		return nil, fmt.Errorf("bpdu: nftables: %w", explain(err))
	}
	return c, nil
}

func ours() *nftables.Table {
	return &nftables.Table{Name: TableName, Family: nftables.TableFamilyNetdev}
}

// replace makes the filters those of exactly these taps, in one transaction:
// all or nothing. It fails as a whole if there is a table where none was seen,
// or none where one was. Filters that were seen in order are left as they are,
// with their counters. No taps: the table is removed.
func (k Kernel) replace(was *Table, taps []string) error {
	c, err := k.nft()
	if err != nil {
		return err
	}
	defer func() { _ = c.CloseLasting() }()
	switch {
	case len(taps) == 0 && was == nil:
		return nil
	case len(taps) == 0:
		c.DelTable(ours())
	case was == nil:
		c.CreateTable(ours())
		if err := addSets(c); err != nil {
			return err
		}
		addChains(c, taps)
	default:
		change(c, was, taps)
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("bpdu: nftables: %w", explain(err))
	}
	return nil
}

// change removes the chains of taps that are not wanted or are faulty, and adds
// those that are missing.
func change(c *nftables.Conn, was *Table, taps []string) {
	fine := map[string]bool{}
	for _, f := range was.Taps {
		if slices.Contains(taps, f.Tap) && f.Fault == "" {
			fine[f.Tap] = true
			continue
		}
		c.DelChain(&nftables.Chain{Table: ours(), Name: chainPrefix + f.Tap})
	}
	addChains(c, slices.DeleteFunc(slices.Clone(taps), func(tap string) bool { return fine[tap] }))
}

// explain names what the kernel's error numbers mean here.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("this kernel has no netdev family (CONFIG_NF_TABLES_NETDEV): %w: %w", errors.ErrUnsupported, err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("needs CAP_NET_ADMIN: %w: %w", fs.ErrPermission, err)
	}
	return err
}

// badSet are the addresses; its ID is that of addSets' transaction.
func badSet() *nftables.Set {
	return &nftables.Set{Table: ours(), Name: setGroups, ID: 1, KeyType: nftables.TypeEtherAddr, Constant: true}
}

// seenSet are the sources.
func seenSet() *nftables.Set {
	return &nftables.Set{Table: ours(), Name: setSeen, ID: 2, KeyType: nftables.MustConcatSetType(nftables.TypeIFIndex, nftables.TypeEtherAddr),
		Concatenation: true, Dynamic: true, HasTimeout: true, Timeout: seenTimeout, Size: seenSize}
}

func addSets(c *nftables.Conn) error {
	var elements []nftables.SetElement
	for _, g := range groups() {
		hw, err := net.ParseMAC(g)
		if err != nil {
			return err
		}
		elements = append(elements, nftables.SetElement{Key: hw})
	}
	if err := errors.Join(c.AddSet(badSet(), elements), c.AddSet(seenSet(), nil)); err != nil {
		return fmt.Errorf("bpdu: nftables: %w", err)
	}
	return nil
}

func addChains(c *nftables.Conn, taps []string) {
	accept := nftables.ChainPolicyAccept
	for _, tap := range taps {
		chain := c.AddChain(&nftables.Chain{Name: chainPrefix + tap, Table: ours(), Type: nftables.ChainTypeFilter, Device: tap,
			Hooknum: nftables.ChainHookIngress, Priority: nftables.ChainPriorityRaw, Policy: &accept})
		c.AddRule(&nftables.Rule{Table: ours(), Chain: chain, Exprs: countRule(badSet(), seenSet())})
		c.AddRule(&nftables.Rule{Table: ours(), Chain: chain, Exprs: dropRule(badSet())})
	}
}

// The registers of a rule: the 16 bytes of the first are also the 32-bit
// registers 8 to 11 of a concatenation.
const (
	reg1   = 1
	reg32a = 8
	reg32b = 9
)

// isBPDU: ether daddr @bpdu_groups.
func isBPDU(bad *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseLLHeader, Offset: 0, Len: 6},
		&expr.Lookup{SourceRegister: reg1, SetName: bad.Name, SetID: bad.ID},
	}
}

// countRule: ether daddr @bpdu_groups update @seen { iif . ether saddr counter }.
// It drops nothing itself: when the set is full, the update ends the rule, and
// an instance that invents source MACs would get its BPDUs through.
func countRule(bad, seen *nftables.Set) []expr.Any {
	return append(isBPDU(bad),
		&expr.Meta{Key: expr.MetaKeyIIF, Register: reg32a},
		&expr.Payload{DestRegister: reg32b, Base: expr.PayloadBaseLLHeader, Offset: 6, Len: 6},
		&expr.Dynset{SrcRegKey: reg32a, SetName: seen.Name, SetID: seen.ID, Operation: unix.NFT_DYNSET_OP_UPDATE, Exprs: []expr.Any{&expr.Counter{}}},
	)
}

// dropRule: ether daddr @bpdu_groups counter drop.
func dropRule(bad *nftables.Set) []expr.Any {
	return append(isBPDU(bad), &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop})
}
