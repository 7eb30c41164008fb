//go:build linux

package consolelog_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/consolelog"
)

// A host's folder of instances, with one log of 600 KB that nobody writes.
func exampleHost() (root string) {
	root, err := os.MkdirTemp("", "instances")
	if err == nil {
		err = os.Mkdir(filepath.Join(root, "5a2c2f0e"), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "5a2c2f0e/console.log"), []byte(strings.Repeat("the quick brown fox jumps over the lazy dog, and so on, ...\n", 10000)), 0o600)
	}
	if err != nil {
		log.Fatal(err)
	}
	return root
}

func Example() {
	root := exampleHost() // /var/lib/nova/instances
	defer os.RemoveAll(root)
	ctx := context.Background()
	policy := consolelog.Policy{Limit: 256 << 10, Keep: 128 << 10}

	seen, err := consolelog.Observe(ctx, consolelog.Source{Instances: root})
	if err != nil {
		log.Fatal(err)
	}
	result, err := consolelog.Check(seen, policy)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range result.Findings {
		if f.Code == consolelog.TooLarge {
			fmt.Println(f.Status, f.Code, f.Message)
		}
	}
	plan, err := consolelog.Plan(seen, policy)
	if err != nil {
		log.Fatal(err)
	}
	applier, err := consolelog.NewApplier(consolelog.Site{Instances: root})
	if err != nil {
		log.Fatal(err)
	}
	// A dry run. With Mode: stackmend.Apply, and Irreversible because there
	// is no archive, the log is bounded.
	run, err := stackmend.Run(ctx, plan, applier, stackmend.Options{Irreversible: true})
	fmt.Println(run.Mode, run.Outcomes[0].State, err)
	// Output:
	// fail too-large it holds 585.9 KiB, the limit is 256.0 KiB
	// dry-run would <nil>
}

func ExampleTail() {
	root := exampleHost()
	defer os.RemoveAll(root)
	tail := consolelog.Tail{Path: filepath.Join(root, "5a2c2f0e/console.log"), Lines: 2}
	for line, err := range tail.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", consolelog.Plain(line))
	}
	// Output:
	// the quick brown fox jumps over the lazy dog, and so on, ...
	// the quick brown fox jumps over the lazy dog, and so on, ...
}

func ExampleWatch() {
	root := exampleHost()
	defer os.RemoveAll(root)
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	applier, err := consolelog.NewApplier(consolelog.Site{Instances: root})
	if err != nil {
		log.Fatal(err)
	}
	watch := consolelog.Watch{
		Source:  consolelog.Source{Instances: root},
		Policy:  consolelog.Policy{Limit: 256 << 10, Keep: 128 << 10},
		Applier: applier,
		Every:   30 * time.Second,
		Options: stackmend.Options{Mode: stackmend.Apply, Irreversible: true},
		OnRound: func(r consolelog.Round) {
			for _, o := range r.Result.Outcomes {
				fmt.Println(o.Step.Verb, o.State)
			}
			stop() // one round is enough here
		},
	}
	fmt.Println(watch.Run(ctx))
	// Output:
	// bound done
	// context canceled
}
