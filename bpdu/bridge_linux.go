package bpdu

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// bridgeLayout has the taps in a set that counts, and two chains for all:
//
//	prerouting: ether daddr @bpdu_groups iifname @taps jump from_taps
//	from_taps:  update @seen { iif . ether saddr counter }
//	from_taps:  counter drop
type bridgeLayout struct{}

const (
	setTaps   = "taps"
	chainHook = "prerouting"
	chainTaps = "from_taps"

	ifNameSize = 16 // IFNAMSIZ
)

func (bridgeLayout) sets() []string { return []string{setGroups, setSeen, setTaps} }

func tapsSet() *nftables.Set {
	return &nftables.Set{Table: FamilyBridge.table(), Name: setTaps, ID: 3, KeyType: nftables.TypeIFName, Counter: true}
}

func (bridgeLayout) create(c *nftables.Conn) error { return c.AddSet(tapsSet(), nil) }

// chains are those of prerouting before the first of others, and of what it
// jumps to.
func (bridgeLayout) chains() (hook, taps *nftables.Chain) {
	accept := nftables.ChainPolicyAccept
	return &nftables.Chain{Name: chainHook, Table: FamilyBridge.table(), Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw, Policy: &accept}, &nftables.Chain{Name: chainTaps, Table: FamilyBridge.table()}
}

// change writes the rules anew, whatever they were: they hold no counters
// that anybody reads.
func (l bridgeLayout) change(c *nftables.Conn, remove, add []string) error {
	hook, taps := l.chains()
	c.AddChain(hook)
	c.AddChain(taps)
	c.FlushChain(hook)
	c.FlushChain(taps)
	for _, chain := range []*nftables.Chain{hook, taps} {
		for _, exprs := range l.rules()[chain.Name] {
			c.AddRule(&nftables.Rule{Table: chain.Table, Chain: chain, Exprs: exprs})
		}
	}
	if len(remove) > 0 {
		if err := c.SetDeleteElements(tapsSet(), names(remove)); err != nil {
			return err
		}
	}
	if len(add) > 0 {
		return c.SetAddElements(tapsSet(), names(add))
	}
	return nil
}

func (bridgeLayout) rules() map[string][][]expr.Any {
	return map[string][][]expr.Any{
		chainHook: {append(isBPDU(FamilyBridge),
			&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg1},
			&expr.Lookup{SourceRegister: reg1, SetName: setTaps, SetID: tapsSet().ID},
			&expr.Verdict{Kind: expr.VerdictJump, Chain: chainTaps})},
		chainTaps: {countSource(FamilyBridge), countDrop()},
	}
}

func names(taps []string) []nftables.SetElement {
	var out []nftables.SetElement
	for _, tap := range taps {
		key := make([]byte, ifNameSize)
		copy(key, tap)
		out = append(out, nftables.SetElement{Key: key})
	}
	return out
}

func (l bridgeLayout) read(_ Kernel, c *nftables.Conn, t *Table, present map[string]bool) error {
	fault, err := l.fault(c)
	if err != nil {
		return fmt.Errorf("bpdu: nftables: %w", err)
	}
	elements, err := c.GetSetElements(tapsSet())
	if err != nil {
		return fmt.Errorf("bpdu: nftables: %w", err)
	}
	for _, e := range elements {
		f := TapFilter{Tap: string(bytes.TrimRight(e.Key, "\x00")), Fault: fault}
		if e.Counter != nil {
			f.Packets, f.Bytes = e.Counter.Packets, e.Counter.Bytes
		}
		if f.Fault == "" && !present[f.Tap] {
			f.Fault = gone
		}
		t.Taps = append(t.Taps, f)
	}
	slices.SortFunc(t.Taps, func(a, b TapFilter) int { return strings.Compare(a.Tap, b.Tap) })
	return nil
}

// fault says what is not as change has written it.
func (l bridgeLayout) fault(c *nftables.Conn) (string, error) {
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyBridge)
	if err != nil {
		return "", err
	}
	want, _ := l.chains()
	hooked := slices.ContainsFunc(chains, func(have *nftables.Chain) bool {
		return have.Table.Name == TableName && have.Name == want.Name && have.Type == want.Type &&
			have.Hooknum != nil && *have.Hooknum == *want.Hooknum && have.Priority != nil && *have.Priority == *want.Priority
	})
	if !hooked {
		return "its chain is not where bridges take frames in", nil
	}
	for chain, want := range l.rules() {
		have, err := c.GetRules(FamilyBridge.table(), &nftables.Chain{Name: chain})
		if err != nil {
			return "", err
		}
		if !slices.EqualFunc(have, want, func(r *nftables.Rule, exprs []expr.Any) bool { return same(r.Exprs, exprs) }) {
			return rulesDiffer, nil
		}
	}
	return "", nil
}
