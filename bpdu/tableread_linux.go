package bpdu

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Why a filter of ours does not filter.
const (
	gone        = "the device is gone"
	rulesDiffer = "its rules are not those that were written"
)

// filters returns the family that filters stand in, and our table, nil if
// there is none.
func (k Kernel) filters() (Family, *Table, error) {
	c, err := k.nft()
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = c.CloseLasting() }()
	for _, f := range []Family{FamilyNetdev, FamilyBridge} {
		tables, err := c.ListTablesOfFamily(f.number())
		if err != nil && !unsupported(err) {
			return "", nil, explain(err)
		}
		if slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == TableName }) {
			t, err := k.read(c, f)
			return f, t, err
		}
	}
	f, err := k.family()
	return f, nil, err
}

// family returns the best family that this kernel has.
func (k Kernel) family() (Family, error) {
	var errs error
	for _, f := range []Family{FamilyNetdev, FamilyBridge} {
		err := k.try(f)
		if err == nil {
			return f, nil
		}
		if !unsupported(err) && !errors.Is(err, unix.ENOENT) { // ENOENT: no chains of that family, in older kernels
			return "", explain(err)
		}
		errs = errors.Join(errs, err)
	}
	return "", fmt.Errorf("this kernel has neither filters of the netdev family (CONFIG_NF_TABLES_NETDEV) nor of the bridge family: %w: %w", errors.ErrUnsupported, errs)
}

// read reads our table of a family.
func (k Kernel) read(c *nftables.Conn, f Family) (*Table, error) {
	names, err := k.linkNames()
	if err != nil {
		return nil, err
	}
	t := &Table{}
	if t.Foreign, err = foreign(c, f); err != nil || t.Foreign != "" {
		return t, err
	}
	present := map[string]bool{}
	for _, name := range names {
		present[name] = true
	}
	if err := layouts[f].read(k, c, t, present); err != nil {
		return nil, err
	}
	return t, readSeen(c, f, t, names)
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
func foreign(c *nftables.Conn, f Family) (string, error) {
	sets, err := c.GetSets(f.table())
	if err != nil {
		return "", fmt.Errorf("bpdu: nftables: %w", err)
	}
	var names []string
	for _, s := range sets {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	if ours := layouts[f].sets(); !slices.Equal(names, ours) {
		return fmt.Sprintf("it has the sets %q, ours has %q", names, ours), nil
	}
	elements, err := c.GetSetElements(badSet(f))
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

// same reports whether a rule that was read is the one that was written:
// which registers and counters it has is the kernel's affair.
func same(have, want []expr.Any) bool {
	return slices.EqualFunc(have, want, func(a, b expr.Any) bool { return shape(a) == shape(b) })
}

// shape is what an expression does, in a word.
func shape(e expr.Any) string {
	switch e := e.(type) {
	case *expr.Payload:
		return fmt.Sprintf("payload:%d.%d.%d", e.Base, e.Offset, e.Len)
	case *expr.Lookup:
		if !e.Invert {
			return "lookup:" + e.SetName
		}
	case *expr.Meta:
		return fmt.Sprintf("meta:%d", e.Key)
	case *expr.Cmp:
		return fmt.Sprintf("cmp:%d.%x", e.Op, e.Data)
	case *expr.Dynset:
		return "dynset:" + e.SetName
	case *expr.Counter:
		return "counter"
	case *expr.Verdict:
		switch e.Kind {
		case expr.VerdictDrop:
			return "drop"
		case expr.VerdictJump:
			return "jump:" + e.Chain
		}
	}
	return "?"
}

// readSeen reads the counters by source.
func readSeen(c *nftables.Conn, f Family, t *Table, links map[int]string) error {
	elements, err := c.GetSetElements(seenSet(f))
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

// others counts the chains of the tables of others.
func (k Kernel) others() ([]OtherTable, error) {
	c, err := k.nft()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.CloseLasting() }()
	var out []OtherTable
	for _, f := range []Family{FamilyNetdev, FamilyBridge} {
		chains, err := c.ListChainsOfTableFamily(f.number())
		if err != nil && !unsupported(err) {
			return nil, fmt.Errorf("bpdu: nftables: %w", explain(err))
		}
		count := map[string]int{}
		for _, ch := range chains {
			if ch.Table != nil && ch.Table.Name != TableName {
				count[ch.Table.Name]++
			}
		}
		for table, n := range count {
			out = append(out, OtherTable{string(f), table, n})
		}
	}
	slices.SortFunc(out, func(a, b OtherTable) int { return strings.Compare(a.Family+a.Name, b.Family+b.Name) })
	return out, nil
}
