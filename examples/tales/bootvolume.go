package main

import (
	"errors"
	"io"
	"time"

	"github.com/stackmend/stackmend/bootvolume"
)

var bootvolumeTale = tale{
	name: "bootvolume", title: "The volume that nova gave up on, and cinder made",
	story: "Instances are booted from an image onto new volumes, several at once, and some of them end in ERROR. Longer waiting helps a little. " +
		"Between nova and the database stand a load balancer, three cinder-apis and three Galera nodes, and each of them has a log of its own.",
	play: playBootVolume,
}

func playBootVolume(s *stage) error {
	seen := &bootvolume.Snapshot{Subject: "this batch", Taken: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	for _, l := range []struct {
		source     bootvolume.Source
		host, file string
	}{{bootvolume.Compute, "c01", "nova-compute-c01.log"}, {bootvolume.HAProxy, "ctl1", "haproxy.log"}, {bootvolume.API, "ctl1", "cinder-api.log"}} {
		o := bootvolume.Log{Source: l.source, Host: l.host, Now: seen.Taken, Zone: time.UTC}
		if err := seen.Logs.ReadFiles(s.ctx, s.inputs, l.file, o); err != nil {
			return err
		}
	}
	if err := s.result("Where the requests ended", "The logs of nova-compute, HAProxy and cinder-api, followed from one to the next.", bootvolume.Check(seen)); err != nil {
		return err
	}
	if err := s.table(func(w io.Writer) error { return bootvolume.WriteTable(w, bootvolume.Follow(&seen.Logs)) }); err != nil {
		return err
	}
	return configuredBootVolume(s)
}

// configuredBootVolume judges the configurations on the way, each with its cost.
func configuredBootVolume(s *stage) error {
	seen := &bootvolume.Snapshot{Subject: "the control plane", Taken: time.Now()}
	err := errors.Join(
		read(s.inputs, "haproxy.cfg", func(r io.Reader, _ string) (err error) {
			seen.Proxies, err = bootvolume.ReadHAProxy(r)
			return err
		}),
		read(s.inputs, "nova.conf", func(r io.Reader, _ string) error {
			c, err := bootvolume.ReadNovaConf(r, "c01")
			seen.Nova = append(seen.Nova, c)
			return err
		}),
		read(s.inputs, "galera.cnf", func(r io.Reader, _ string) error {
			c, err := bootvolume.ReadGaleraConf(r, "db1")
			seen.Galera = append(seen.Galera, c)
			return err
		}))
	if err != nil {
		return err
	}
	return s.result("What stands in the configurations", "Of the load balancer, the compute and the database, and what each setting costs.", bootvolume.Check(seen))
}
