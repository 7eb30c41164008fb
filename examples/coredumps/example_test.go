package coredumps_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/coredumps"
)

// From looking to a dry run: the four calls that every package has.
func Example() {
	ctx := context.Background()
	dir, err := os.OpenRoot("/var/lib/systemd/coredump")
	if err != nil {
		fmt.Println("cannot look:", err)
		return
	}
	defer dir.Close()
	s, err := coredumps.Observe(ctx, dir)
	if err != nil {
		fmt.Println("cannot look:", err)
		return
	}
	plan, err := coredumps.Plan(s, coredumps.Policy{Limit: 10 << 30, MinAge: 7 * 24 * time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := stackmend.Run(ctx, plan, coredumps.NewApplier(dir), stackmend.Options{})
	fmt.Println(result.Status, len(result.Outcomes), "steps would be taken:", err)
}
