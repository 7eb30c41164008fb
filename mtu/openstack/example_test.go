package openstack_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/stackmend/stackmend/mtu"
	"github.com/stackmend/stackmend/mtu/openstack"
)

// Do the links of this host carry what Neutron promises its networks?
func ExampleNetworks() {
	ctx := context.Background()
	c, err := openstack.Login(ctx, "prod", os.Getenv)
	if err != nil {
		fmt.Println("cannot log in:", err)
		return
	}
	here, err := mtu.ThisNamespace("c01")
	if err != nil {
		fmt.Println("cannot look:", err)
		return
	}
	defer here.Close()
	s := mtu.Snapshot{Taken: time.Now()}
	if s.Hosts, err = mtu.Observe(ctx, here); err != nil {
		fmt.Println("cannot look:", err)
		return
	}
	if s.Networks, s.Unseen, err = openstack.Networks(ctx, c); err != nil {
		fmt.Println("cannot see:", err)
		return
	}
	for _, f := range mtu.Check(&s).Findings {
		fmt.Println(f.Status, f.Code, f.Subject, f.Message)
	}
}
