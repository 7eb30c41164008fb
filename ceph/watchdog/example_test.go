package watchdog_test

import (
	"context"
	"fmt"
	"time"

	"github.com/stackmend/stackmend/ceph/watchdog"
)

// Watching for a while changes nothing: run it for a month before anything is
// to be restarted.
func Example() {
	sampler, err := watchdog.NewSampler(watchdog.SamplerOptions{})
	if err != nil {
		fmt.Println("cannot look:", err)
		return
	}
	defer sampler.Close()
	var last watchdog.Report
	w := watchdog.Watch{Sampler: sampler, OnPass: func(r watchdog.Report) { last = r }}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = w.Loop(ctx) // the error is that of ctx
	result := watchdog.Check(last, "stor1", watchdog.Policy{})
	for _, f := range result.Findings {
		fmt.Println(f.Status, f.Code, f.Subject, f.Message)
	}
}
