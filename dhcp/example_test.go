package dhcp_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/stackmend/stackmend/dhcp"
)

// The logs of both sides, recorded from a server with an empty pool.
func Example() {
	ctx, fsys := context.Background(), os.DirFS("testdata/lab/dhclient-dnsmasq/pool-exhausted")
	o := dhcp.ReadOptions{Now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), Zone: time.UTC}
	s := &dhcp.Snapshot{Taken: o.Now, Subject: "the lab"}
	for _, name := range []string{"server.log", "client.log"} {
		trace, err := dhcp.ReadLogFiles(ctx, fsys, name, dhcp.Auto, o)
		if err != nil {
			fmt.Println(err)
			return
		}
		s.Traces = append(s.Traces, trace)
		s.Until = trace.Until // a recording: nothing was written later
	}
	for _, f := range dhcp.Check(s).Findings {
		fmt.Println(f.Status, f.Code, f.Subject)
	}
	// Output:
	// fail pool-exhausted fa:16:3e:24:e7:22
	// ok healthy fa:16:3e:24:e7:33 10.2.0.10
}
