package mtu_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/stackmend/stackmend/mtu"
)

const stack = `[
{"ifindex":2,"ifname":"eth0","mtu":1500,"flags":["UP"],"operstate":"UP","link_type":"ether"},
{"ifindex":3,"ifname":"vlan20","link":"eth0","mtu":1500,"flags":["UP"],"operstate":"UP","link_type":"ether","linkinfo":{"info_kind":"vlan","info_data":{"protocol":"802.1Q","id":20}}},
{"ifindex":4,"ifname":"vlan100","link":"vlan20","mtu":1500,"flags":["UP"],"operstate":"UP","link_type":"ether","linkinfo":{"info_kind":"vlan","info_data":{"protocol":"802.1Q","id":100}}}
]`

// A VLAN on a VLAN, and a switch that takes one tag and no more.
func ExampleCheck() {
	h, err := mtu.ReadLinks(strings.NewReader(stack), "c1", "c1.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	r := mtu.Check(&mtu.Snapshot{
		Hosts: []mtu.Host{h},
		Wires: []mtu.Wire{{From: mtu.Port{Host: "c1", Link: "eth0"}, Frame: 1518, Source: "switch port 7"}},
	})
	for _, f := range r.Findings {
		fmt.Println(f.Status, f.Code, f.Subject)
	}
	// Output:
	// fail stacked-vlan c1/vlan100
	// fail path-mtu-too-small c1/eth0
}

func ExampleWriteText() {
	h, err := mtu.ReadLinks(strings.NewReader(stack), "c1", "c1.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	paths, err := mtu.Paths([]mtu.Host{h}, []mtu.Wire{{From: mtu.Port{Link: "eth0"}, Frame: 1518, Source: "declared"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := mtu.WriteText(os.Stdout, paths...); err != nil {
		fmt.Println(err)
	}
	// Output:
	// c1/vlan100: packets of at most 1496 bytes fit, 1500 is promised
	//   [c1]
	//       vlan100          mtu 1500   vlan 100
	//   >>> vlan20           mtu 1500   vlan 20
	//   >>> eth0             mtu 1500   device: 1496 fit: the wire takes frames of 1518 bytes, and 2 tags are in the frame (declared)
}

func ExamplePlan() {
	h, err := mtu.ReadLinks(strings.NewReader(stack), "c1", "c1.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := mtu.Plan(h, []mtu.Change{{Link: "vlan20", MTU: 1504}, {Link: "eth0", MTU: 1504}}, mtu.PlanOptions{Confirm: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range p.Steps {
		fmt.Println(s, s.Args["mtu"])
	}
	// Output:
	// set-mtu c1/eth0 1504
	// set-mtu c1/vlan20 1504
	// confirm c1
}
