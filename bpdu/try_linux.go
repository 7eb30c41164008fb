package bpdu

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// try asks the kernel whether it has chains of a family where our filters
// would stand. It does so as `nft --check` does: a transaction that never ends
// is looked at by the kernel and then dropped. The error is the kernel's.
func (k Kernel) try(f Family) error {
	c, err := k.dial(unix.NETLINK_NETFILTER, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	table, chain, err := trial(f)
	if err != nil {
		return fmt.Errorf("bpdu: nftables: %w", err)
	}
	batch := []netlink.Message{
		{Header: netlink.Header{Type: unix.NFNL_MSG_BATCH_BEGIN, Flags: netlink.Request}, Data: nfHeader(unix.NFPROTO_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)},
		message(f, unix.NFT_MSG_NEWTABLE, table),
		message(f, unix.NFT_MSG_NEWCHAIN, chain),
	}
	if _, err := c.SendMessages(batch); err != nil {
		return fmt.Errorf("bpdu: netlink: %w", err)
	}
	for range batch[1:] { // each is answered
		if _, err := c.Receive(); err != nil {
			return err
		}
	}
	return nil
}

// nfHeader is struct nfgenmsg.
func nfHeader(family uint8, resource uint16) []byte {
	return append([]byte{family, unix.NFNETLINK_V0}, binaryutil.BigEndian.PutUint16(resource)...)
}

func message(f Family, kind uint16, attributes []byte) netlink.Message {
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind), Flags: netlink.Request | netlink.Acknowledge | netlink.Create},
		Data:   append(nfHeader(uint8(f.number()), 0), attributes...),
	}
}

// trial is a table and a chain that exist nowhere else.
func trial(f Family) (table, chain []byte, err error) {
	const name = TableName + "_trial"
	hook := nftables.ChainHookPrerouting
	if f == FamilyNetdev {
		hook = nftables.ChainHookIngress
	}
	t := netlink.NewAttributeEncoder()
	t.String(unix.NFTA_TABLE_NAME, name)
	if table, err = t.Encode(); err != nil {
		return nil, nil, err
	}
	e := netlink.NewAttributeEncoder()
	e.String(unix.NFTA_CHAIN_TABLE, name)
	e.String(unix.NFTA_CHAIN_NAME, name)
	e.String(unix.NFTA_CHAIN_TYPE, string(nftables.ChainTypeFilter))
	e.Nested(unix.NFTA_CHAIN_HOOK, func(h *netlink.AttributeEncoder) error {
		h.Bytes(unix.NFTA_HOOK_HOOKNUM, binaryutil.BigEndian.PutUint32(uint32(*hook)))
		h.Bytes(unix.NFTA_HOOK_PRIORITY, binaryutil.BigEndian.PutUint32(0))
		if f == FamilyNetdev {
			h.String(unix.NFTA_HOOK_DEV, "lo") // every namespace has it
		}
		return nil
	})
	chain, err = e.Encode()
	return table, chain, err
}
