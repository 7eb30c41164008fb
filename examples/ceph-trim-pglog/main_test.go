package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stackmend/stackmend/examples/cli"
)

// Wrong usage is told before anything is asked; an empty selection is not all.
func TestUsage(t *testing.T) {
	for args, want := range map[string]string{
		"": "one of -osd, -host and -all", "-osd 1 -all": "one of -osd, -host and -all", "-osd x": "not the number",
		"-osd 1 -cephadm F -process": "exclude", "-osd 1 -hold x": "need -process", "-osd 1 -process -ssh ssh": "this host alone",
	} {
		var out, errs bytes.Buffer
		status := tool().Run(t.Context(), strings.Fields(args), cli.Streams{Out: &out, Err: &errs, Getenv: func(string) string { return "" }})
		if status != 64 || !strings.Contains(errs.String(), want) {
			t.Errorf("%q: status %d, %s", args, status, errs.String())
		}
	}
}
