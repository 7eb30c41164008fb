package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/examples/imagecache/tree"
	"github.com/stackmend/stackmend/imagecache"
)

var imagecacheTale = tale{
	name: "imagecache", title: "The cleaner that forgot a host",
	story: "Three computes share nova's instances directory, and c03 is down since yesterday. nova forgets such a host after a day; " +
		"its own cleaner then deletes the base image that only c03's instance needs, and the disk of that instance is gone.",
	play: playImagecache,
}

func playImagecache(s *stage) error {
	t, err := tree.Make(s.dir, time.Now())
	if err != nil {
		return err
	}
	seen, applier, err := lookAtTree(s.ctx, t)
	if err != nil {
		return err
	}
	check, err := imagecache.Check(seen, imagecache.Policy{})
	if err != nil {
		return err
	}
	if err := s.result("What a check says", "The folder, nova.conf, and what nova's API says of computes and instances.", check); err != nil {
		return err
	}
	plan, err := imagecache.Quarantine(seen, imagecache.Policy{})
	if err != nil {
		return err
	}
	if err := s.run("While c03 cannot be accounted for, nothing is moved, whoever insists", "", plan, applier,
		stackmend.Options{Mode: stackmend.Apply}); err != nil {
		return err
	}
	if err := s.table(func(w io.Writer) error { return kept(w, seen, plan) }); err != nil {
		return err
	}
	return quarantine(s, t, seen, applier)
}

// lookAtTree observes the tree and makes its Applier.
func lookAtTree(ctx context.Context, t tree.Tree) (*imagecache.Snapshot, stackmend.Applier, error) {
	config, err := imagecache.ReadConfig(os.DirFS(t.Dir), "nova.conf")
	if err != nil {
		return nil, nil, err
	}
	fleet := imagecache.FleetFiles(t.Services(), t.Servers()...)
	site := imagecache.Site{Dir: t.Instances(), Quarantine: t.Quarantine(), Proc: t.Proc()}
	seen, err := imagecache.Observe(ctx, site, imagecache.Sources{Config: config, Fleet: fleet})
	if err != nil {
		return nil, nil, err
	}
	a, err := imagecache.NewApplier(seen.Site, fleet)
	return seen, a, err
}

// kept is the table of what stays, and why.
func kept(w io.Writer, seen *imagecache.Snapshot, p *stackmend.Plan) error {
	size := map[string]int64{}
	for _, b := range seen.Bases {
		size[b.Name] = b.Bytes
	}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "BASE IMAGE\tBYTES\tKEPT BECAUSE")
	for _, k := range p.Kept {
		fmt.Fprintf(tab, "%s\t%s\t%s\n", k.Target, cli.Bytes(size[k.Target]), k.Reason)
	}
	return tab.Flush()
}

// quarantine moves the one image that is truly unused, and puts it back.
func quarantine(s *stage, t tree.Tree, seen *imagecache.Snapshot, a stackmend.Applier) error {
	policy := imagecache.Policy{Gone: map[string]string{"c03": "burnt down, ticket 4711"}}
	plan, err := imagecache.Quarantine(seen, policy)
	if err != nil {
		return err
	}
	if err := s.run("The operator knows that c03 burnt down, and says so",
		"c03's disk is still there and still counts. One image is truly unused; it is moved, never deleted.", plan, a,
		stackmend.Options{Mode: stackmend.Apply}); err != nil {
		return err
	}
	if t.Has(tree.Unused) || !t.Has("oracle-db") {
		return fmt.Errorf("the quarantine moved something else")
	}
	if seen, a, err = lookAtTree(s.ctx, t); err != nil {
		return err
	}
	back, err := imagecache.Restore(seen, []string{tree.BaseName(tree.Unused)}, policy)
	if err != nil {
		return err
	}
	if err := s.run("Somebody needs it after all", "One call puts it back, whatever host is down.", back, a,
		stackmend.Options{Mode: stackmend.Apply}); err != nil {
		return err
	}
	if !t.Has(tree.Unused) {
		return fmt.Errorf("the image was not put back")
	}
	s.say("", "The tree is as it was. Every base image that a disk refers to was there all the time.")
	return nil
}
