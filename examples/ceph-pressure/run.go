package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/pressure"
	"github.com/stackmend/stackmend/examples/cli"
)

func (r *relief) applier(context.Context, *stackmend.Plan) (stackmend.Applier, error) {
	return pressure.NewApplier(r.to, pressure.ApplierOptions{OnLook: r.look, Hold: r.hold}), nil
}

func (r *relief) options(o *stackmend.Options) {
	o.Irreversible = r.irreversible
	if r.verb == "raise" && o.MaxWait == 0 {
		o.MaxWait = 10 * time.Minute // for the cluster to be calm
	}
}

// look prints a line of the chart, and draws it anew: a program that is killed
// leaves the picture of what it saw.
func (r *relief) look(l pressure.Look) {
	if len(r.looks) == 0 {
		fmt.Fprintln(os.Stderr, pressure.Legend())
	}
	r.looks = append(r.looks, l)
	fmt.Fprintln(os.Stderr, cli.Clean(l.String()))
	if r.chart == "" {
		return
	}
	if err := r.draw(); err != nil {
		fmt.Fprintln(os.Stderr, cli.Clean(err.Error()))
		r.chart = "" // said once
	}
}

func (r *relief) draw() error {
	f, err := os.Create(r.chart)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pressure.WriteChart(f, r.looks); err != nil {
		return err
	}
	return f.Close()
}

func (r *relief) hold() string {
	if r.pauseFile == "" {
		return ""
	}
	if _, err := os.Lstat(r.pauseFile); err != nil && os.IsNotExist(err) {
		return ""
	}
	return r.pauseFile + " is there, or cannot be looked for"
}

// table prints the pressure as it is.
func (r *relief) table(w io.Writer) {
	if r.host != nil {
		fmt.Fprint(w, cli.Clean(pressure.HostDiff(r.host)))
	}
	if r.seen != nil {
		fmt.Fprint(w, cli.Clean(pressure.Status(r.seen)))
	}
}
