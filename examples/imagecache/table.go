package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/imagecache"
)

// row is one image of the table.
type row struct{ name, bytes, touched, fate, why string }

// table lists the images: what would become of each, and why.
func (t *tool) table(w io.Writer) {
	if t.seen == nil || len(t.seen.Bases)+len(t.seen.Entries) == 0 {
		return
	}
	policy := t.policy()
	fate, why := t.fates(policy)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "IMAGE\tBYTES\tTOUCHED\tFATE\tWHY")
	for _, r := range t.rows(fate, why) {
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\n", r.name, r.bytes, r.touched, r.fate, r.why)
	}
	_ = tab.Flush() // to the output, whose errors the caller sees
}

// fates asks the plans what they would do with each image.
func (t *tool) fates(p imagecache.Policy) (fate, why map[string]string) {
	fate, why = map[string]string{}, map[string]string{}
	plan, err := imagecache.Quarantine(t.seen, p)
	if err != nil {
		return fate, why
	}
	for _, k := range plan.Kept {
		fate[k.Target], why[k.Target] = "kept", k.Reason
	}
	for _, s := range plan.Steps {
		fate[s.Target], why[s.Target] = "unused", s.Reason
	}
	return fate, why
}

func (t *tool) rows(fate, why map[string]string) []row {
	var rows []row
	for _, b := range t.seen.Bases {
		name := cli.Clean(b.Name)
		rows = append(rows, row{name, cli.Bytes(b.Bytes), b.ModTime.UTC().Format("2006-01-02"),
			cmp.Or(fate[b.Name], "kept"), cli.Clean(cmp.Or(why[b.Name], "see above"))})
	}
	for _, e := range t.seen.Entries {
		rows = append(rows, row{cli.Clean(e.ID), cli.Bytes(e.Manifest.Bytes), e.Since.UTC().Format("2006-01-02"), "quarantined", cli.Clean(e.Problem)})
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(b.fate, a.fate) })
	return rows
}
