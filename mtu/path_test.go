package mtu

import (
	"fmt"
	"os"
	"testing"
)

func read(t testing.TB, name, file string) Host {
	t.Helper()
	f, err := os.Open("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := ReadLinks(f, name, file)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestDebug(t *testing.T) {
	hosts := []Host{read(t, "inst", "bad-inst.ip-d-j-link.json"), read(t, "cmp", "bad-cmp.ip-d-j-link.json"), read(t, "ctl", "bad-ctl.ip-d-j-link.json")}
	for i := range hosts {
		for j := range hosts[i].Links {
			if l := &hosts[i].Links[j]; l.Kind == Veth {
				l.TxVLAN = OffloadOff
			}
		}
	}
	fmt.Println(pairVeths(hosts))
	p, err := Paths(hosts, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range p {
		fmt.Println(p.Host, p.Largest, p.Limiting(), p.Sure, p.Unknown, p.Tags)
		for _, h := range p.Hops {
			fmt.Printf("   %s/%s %s mtu %d fits %d (%s)\n", h.Host, h.Link, h.Kind, h.MTU, h.Fits, h.Why)
		}
	}
}
