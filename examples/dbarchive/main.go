// Dbarchive says what the deleted instances of a nova weigh, and moves them, with
// all their rows, out of the way of the API, if it is told to.
//
//	dbarchive -nova-conf /etc/nova/nova.conf -before 365d                 # a dry run
//	dbarchive -nova-conf /etc/nova/nova.conf -before 365d -plan p         # for review
//	dbarchive -nova-conf /etc/nova/nova.conf -run p -apply -parallel 2 -max-wait 1h
//	dbarchive -nova-conf /etc/nova/nova.conf -before 365d -to file:/srv/nova -apply
//	dbarchive -nova-conf /etc/nova/nova.conf -restore UUID -apply
//	dbarchive -nova-conf /etc/nova/nova.conf -purge-before 1095d -irreversible -apply
//
// Where no nova.conf is at hand, STACKMEND_NOVA_API holds the URL of the API
// database and STACKMEND_NOVA_MAIN that of [database], in the form of nova.conf.
// The cells are those of cell_mappings; STACKMEND_NOVA_CELL_<NAME> overrides where
// one is reached, STACKMEND_NOVA_ARCHIVE_<NAME> is the URL of the database on
// another server that the rows of a cell go to with -to server.
package main

import (
	"os"

	"github.com/stackmend/stackmend/examples/cli"
)

func main() {
	t := &tool{getenv: os.Getenv}
	os.Exit(cli.Main(t.cli()))
}
