package bpdu

import "testing"

func TestTableQuick(t *testing.T) {
	n := newNamespace(t)
	tap, inst := n.veth("tap1", "inst1")
	up, wire := n.veth("up0", "wire0")
	_, _ = inst, wire
	n.bridge("br0", tap, up)
	if err := n.replace(nil, []string{"tap1"}); err != nil {
		t.Fatal(err)
	}
	t.Log(n.run("nft", "list", "ruleset"))
	h, err := n.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", h.Table)
	for _, l := range h.Links {
		t.Logf("%+v", l)
	}
	if err := n.replace(h.Table, nil); err != nil {
		t.Fatal(err)
	}
	t.Log(n.run("nft", "list", "ruleset"))
}
