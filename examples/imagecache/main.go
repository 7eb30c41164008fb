// Imagecache says which base images of nova's image cache are needed, by whom,
// and moves those that nothing needs into a quarantine, if it is told to.
//
//	imagecache -instances /var/lib/nova/instances -nova-conf /etc/nova/nova.conf -os-cloud admin
//	imagecache ... -quarantine /var/lib/nova/instances/_quarantine            # a dry run
//	imagecache ... -quarantine /var/lib/nova/instances/_quarantine -plan p    # for review
//	imagecache ... -quarantine /var/lib/nova/instances/_quarantine -run p -apply
//	imagecache ... -quarantine /var/lib/nova/instances/_quarantine -restore NAME -apply
//
// While a compute that may share the directory is down or cannot be accounted
// for, nothing is moved: see imagecache -help for -gone and -elsewhere. To see it
// work on a small tree, run
//
//	go run ./examples/tales -tale imagecache
package main

import (
	"os"

	"github.com/stackmend/stackmend/examples/cli"
)

func main() {
	t := &tool{}
	os.Exit(cli.Main(t.cli()))
}
