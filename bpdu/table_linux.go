package bpdu

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The sets that our table has in either family.
const (
	setGroups   = "bpdu_groups" // the destination addresses that are dropped
	setSeen     = "seen"        // device and source MAC, with a counter
	seenSize    = 8192
	seenTimeout = 24 * time.Hour
)

// A layout is how the filters of a family are written and read back.
type layout interface {
	// sets are the names of its sets, sorted.
	sets() []string
	// create adds all but the taps to a new table.
	create(c *nftables.Conn) error
	// change removes taps, adds taps, and puts right what they share.
	change(c *nftables.Conn, remove, add []string) error
	// read reads the taps, or why the table is not ours.
	read(k Kernel, c *nftables.Conn, t *Table, present map[string]bool) error
}

var layouts = map[Family]layout{FamilyNetdev: netdevLayout{}, FamilyBridge: bridgeLayout{}}

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

func (f Family) number() nftables.TableFamily {
	if f == FamilyBridge {
		return nftables.TableFamilyBridge
	}
	return nftables.TableFamilyNetdev
}

func (f Family) table() *nftables.Table { return &nftables.Table{Name: TableName, Family: f.number()} }

// replace makes the filters those of exactly these taps, in one transaction:
// all or nothing. It fails as a whole if there is a table where none was seen,
// or none where one was. Filters that were seen in order are left as they are,
// with their counters. No taps: the table is removed.
func (k Kernel) replace(f Family, was *Table, taps []string) error {
	if len(taps) == 0 && was == nil {
		return nil
	}
	c, err := k.nft()
	if err != nil {
		return err
	}
	defer func() { _ = c.CloseLasting() }()
	if err := f.write(c, was, taps); err != nil {
		return fmt.Errorf("bpdu: nftables: %w", err)
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("bpdu: nftables: %w", explain(err))
	}
	return nil
}

// write puts together the transaction of replace.
func (f Family) write(c *nftables.Conn, was *Table, taps []string) error {
	if len(taps) == 0 {
		c.DelTable(f.table())
		return nil
	}
	if was == nil {
		c.CreateTable(f.table())
		return errors.Join(addSets(c, f), layouts[f].create(c), layouts[f].change(c, nil, taps))
	}
	var remove []string
	fine := map[string]bool{}
	for _, t := range was.Taps {
		if slices.Contains(taps, t.Tap) && t.Fault == "" {
			fine[t.Tap] = true
			continue
		}
		remove = append(remove, t.Tap)
	}
	add := slices.DeleteFunc(slices.Clone(taps), func(tap string) bool { return fine[tap] })
	return layouts[f].change(c, remove, add)
}

// explain names what the kernel's error numbers mean here.
func explain(err error) error {
	switch {
	case unsupported(err):
		return fmt.Errorf("this kernel has no such filters (CONFIG_NF_TABLES, CONFIG_NF_TABLES_NETDEV): %w: %w", errors.ErrUnsupported, err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("needs CAP_NET_ADMIN: %w: %w", fs.ErrPermission, err)
	}
	return err
}

func unsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EPROTONOSUPPORT)
}

// badSet are the addresses; its ID is that of addSets' transaction.
func badSet(f Family) *nftables.Set {
	return &nftables.Set{Table: f.table(), Name: setGroups, ID: 1, KeyType: nftables.TypeEtherAddr, Constant: true}
}

// seenSet are the sources.
func seenSet(f Family) *nftables.Set {
	return &nftables.Set{Table: f.table(), Name: setSeen, ID: 2, KeyType: nftables.MustConcatSetType(nftables.TypeIFIndex, nftables.TypeEtherAddr),
		Concatenation: true, Dynamic: true, HasTimeout: true, Timeout: seenTimeout, Size: seenSize}
}

func addSets(c *nftables.Conn, f Family) error {
	var elements []nftables.SetElement
	for _, g := range groups() {
		hw, err := net.ParseMAC(g)
		if err != nil {
			return err
		}
		elements = append(elements, nftables.SetElement{Key: hw})
	}
	return errors.Join(c.AddSet(badSet(f), elements), c.AddSet(seenSet(f), nil))
}

// The registers of a rule: the 16 bytes of the first are also the 32-bit
// registers 8 to 11 of a concatenation.
const (
	reg1   = 1
	reg32a = 8
	reg32b = 9
)

// isBPDU: ether daddr @bpdu_groups. In the netdev family nft asks first
// whether the device has Ethernet addresses; without that it could not load
// again what it lists.
func isBPDU(f Family) []expr.Any {
	var ether []expr.Any
	if f == FamilyNetdev {
		ether = []expr.Any{
			&expr.Meta{Key: expr.MetaKeyIIFTYPE, Register: reg1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: binaryutil.NativeEndian.PutUint16(unix.ARPHRD_ETHER)},
		}
	}
	return append(ether,
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseLLHeader, Offset: 0, Len: 6},
		&expr.Lookup{SourceRegister: reg1, SetName: setGroups, SetID: badSet(f).ID},
	)
}

// countSource: update @seen { iif . ether saddr counter }. Its rule drops nothing
// itself: when the set is full, the update ends the rule, and an instance that
// invents source MACs would get its BPDUs through.
func countSource(f Family) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIF, Register: reg32a},
		&expr.Payload{DestRegister: reg32b, Base: expr.PayloadBaseLLHeader, Offset: 6, Len: 6},
		&expr.Dynset{SrcRegKey: reg32a, SetName: setSeen, SetID: seenSet(f).ID, Operation: unix.NFT_DYNSET_OP_UPDATE, Exprs: []expr.Any{&expr.Counter{}}},
	}
}

// countDrop: counter drop.
func countDrop() []expr.Any {
	return []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}}
}
