package imagecache_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/stackmend/stackmend/imagecache"
)

// The lists of a cloud, kept with
//
//	curl -s -H "X-Auth-Token: $TOKEN" -H "OpenStack-API-Version: compute 2.69" "$NOVA/os-services"
//	curl -s ... "$NOVA/servers/detail?all_tenants=1"
//	curl -s ... "$NOVA/servers/detail?all_tenants=1&soft_deleted=true"
//
// are a fleet as well. A file that does not say when it was taken is as old as
// the caller says.
func ExampleJoinFleet() {
	taken := time.Date(2026, 11, 22, 8, 57, 0, 0, time.UTC)
	read := func(name string, parse func(*os.File) (imagecache.List, error)) imagecache.List {
		f, err := os.Open(name)
		if err != nil {
			fmt.Println(err)
			return imagecache.List{}
		}
		defer f.Close()
		l, err := parse(f)
		if err != nil {
			fmt.Println(err)
		}
		l.At = taken
		return l
	}
	servers := func(f *os.File) (imagecache.List, error) { return imagecache.ParseServers(f) }
	services := func(f *os.File) (imagecache.List, error) { return imagecache.ParseServices(f) }

	fleet, err := imagecache.JoinFleet(read("testdata/api/os-services.json", services), read("testdata/api/servers-detail.json", servers))
	if err != nil {
		fmt.Println(err)
		return
	}
	reader := imagecache.FleetFunc(func(context.Context) (imagecache.Fleet, error) { return fleet, nil })
	f, _ := reader.Fleet(context.Background())
	for _, s := range f.Services {
		fmt.Println(s.Host, s.State)
	}
	fmt.Println(f.Incomplete[0])
	// Output:
	// c01 up
	// c02 up
	// c03 down
	// no list of servers with soft_deleted=true: the others leave out what is soft-deleted
}
