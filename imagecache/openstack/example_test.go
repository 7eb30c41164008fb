package openstack_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/stackmend/stackmend/imagecache"
	"github.com/stackmend/stackmend/imagecache/openstack"
)

// Log in as the command openstack would, and let the check know every compute
// and instance.
func ExampleNew() {
	ctx := context.Background()
	c, err := openstack.Login(ctx, "prod", os.Getenv)
	if err != nil {
		fmt.Println("cannot log in:", err)
		return
	}
	s, err := imagecache.Observe(ctx, imagecache.Site{Dir: "/var/lib/nova/instances"}, imagecache.Sources{
		Fleet:  openstack.New(c.Compute, c.Identity),
		Glance: openstack.Glance(ctx, c.Image, c.Identity),
	})
	if err != nil {
		fmt.Println("cannot see:", err)
		return
	}
	fmt.Println(len(s.Bases), "base images;", strings.Join(s.Fleet.Incomplete, "; "))
}
