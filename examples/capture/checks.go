package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/stackmend/stackmend/bpdu"
	bpduapi "github.com/stackmend/stackmend/bpdu/openstack"
	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/imagecache"
	imageapi "github.com/stackmend/stackmend/imagecache/openstack"
	"github.com/stackmend/stackmend/internal/recording"
	"github.com/stackmend/stackmend/mtu"
	mtuapi "github.com/stackmend/stackmend/mtu/openstack"
)

// A part is one thing to collect.
type part struct {
	name    string
	collect func(context.Context, *settings, *recording.Writer) error
}

var allParts = []part{
	{"mtu", snapshot("mtu", links)},
	{"bpdu", snapshot("bpdu", taps)},
	{"imagecache", snapshot("imagecache", images)},
	{"consolelog", snapshot("consolelog", consoles)},
	{"ceph", cluster},
	{"configs", configs},
	{"logs", logs},
	{"host", host},
}

func partNames() (names []string) {
	for _, p := range allParts {
		names = append(names, p.name)
	}
	return names
}

func find(name string) (part, bool) {
	for _, p := range allParts {
		if p.name == name {
			return p, true
		}
	}
	return part{}, false
}

// snapshot keeps what a check observes, for its -replay.
func snapshot[S any](check string, look func(context.Context, *settings) (*S, error)) func(context.Context, *settings, *recording.Writer) error {
	return func(ctx context.Context, s *settings, w *recording.Writer) error {
		seen, err := look(ctx, s)
		if err != nil {
			return err
		}
		return w.Snapshot(check, seen)
	}
}

// links are those of this network namespace and of the named ones.
func links(ctx context.Context, s *settings) (*mtu.Snapshot, error) {
	name, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	here, err := mtu.ThisNamespace(name)
	if err != nil {
		return nil, err
	}
	all := []*mtu.Namespace{here}
	defer func() {
		for _, n := range all {
			n.Close()
		}
	}()
	seen := &mtu.Snapshot{Taken: time.Now()}
	named, _ := filepath.Glob("/run/netns/*")
	for _, path := range named {
		n, err := mtu.OpenNamespace(filepath.Base(path), path)
		if err != nil {
			seen.Unseen = append(seen.Unseen, err.Error())
			continue
		}
		all = append(all, n)
	}
	if seen.Hosts, err = mtu.Observe(ctx, all...); err != nil {
		return nil, err
	}
	return seen, networks(ctx, s, seen)
}

// networks are Neutron's, if there is a cloud to ask.
func networks(ctx context.Context, s *settings, seen *mtu.Snapshot) error {
	if s.cloud == "" {
		return nil
	}
	clients, err := mtuapi.Login(ctx, s.cloud, s.getenv)
	if err != nil {
		return err
	}
	all, unseen, err := mtuapi.Networks(ctx, clients)
	seen.Networks, seen.Unseen = all, append(seen.Unseen, unseen...)
	return err
}

// taps are this host's bonds, bridges and taps, and whose they are.
func taps(ctx context.Context, s *settings) (seen *bpdu.Snapshot, err error) {
	seen = &bpdu.Snapshot{Taken: time.Now()}
	if seen.Host, err = (bpdu.Kernel{}).Observe(ctx); err != nil {
		return nil, err
	}
	seen.Subject = seen.Host.Name
	if err := bridges(ctx, seen); err != nil {
		seen.Unseen = append(seen.Unseen, fmt.Sprintf("Open vSwitch's database: %v", err))
	}
	if s.cloud == "" {
		return seen, nil
	}
	clients, err := bpduapi.Login(ctx, s.cloud, s.getenv)
	if err != nil {
		return nil, err
	}
	seen.Cloud, err = bpduapi.Read(ctx, clients)
	return seen, err
}

// bridges asks Open vSwitch, where there is one.
func bridges(ctx context.Context, seen *bpdu.Snapshot) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", bpdu.OVSSocket)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	seen.Host.OVS, err = bpdu.ReadOVS(ctx, c)
	return err
}

// images are those of nova's cache, and who may use them.
func images(ctx context.Context, s *settings) (*imagecache.Snapshot, error) {
	var src imagecache.Sources
	if s.cloud != "" {
		c, err := imageapi.Login(ctx, s.cloud, s.getenv)
		if err != nil {
			return nil, err
		}
		src.Fleet, src.Glance = imageapi.New(c.Compute, c.Identity), imageapi.Glance(ctx, c.Image, c.Identity)
	}
	site, err := imagecache.ParseDir(s.instances)
	if err != nil {
		return nil, err
	}
	return imagecache.Observe(ctx, site, src)
}

// consoles are measured twice, to see what grows.
func consoles(ctx context.Context, s *settings) (seen *consolelog.Snapshot, err error) {
	src := consolelog.Source{Instances: s.instances}
	if src.Before, err = consolelog.Observe(ctx, src); err != nil {
		return nil, err
	}
	select {
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return consolelog.Observe(ctx, src)
}
