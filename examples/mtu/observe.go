package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/mtu"
	"github.com/stackmend/stackmend/mtu/openstack"
)

// observe reads all that the flags name.
func (t *tool) observe(ctx context.Context) error {
	t.snapshot.Taken = time.Now()
	for _, f := range t.from {
		t.snapshot.From = append(t.snapshot.From, port(f))
	}
	for _, step := range []func(context.Context) error{
		t.readHosts, t.readWires, t.readConfigs, t.readNetworks, t.readCaptures, t.probe,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// onlyOther reports that something else than links is asked about.
func (t *tool) onlyOther() bool {
	return len(t.pcaps)+len(t.probes) > 0 && len(t.set) == 0 && t.raise == 0 && len(t.from) == 0
}

func (t *tool) readHosts(ctx context.Context) error {
	if t.oneByOne() {
		return nil // checkEach reads them
	}
	if len(t.links) > 0 {
		return t.readFiles()
	}
	if t.onlyOther() {
		return nil
	}
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	here, err := mtu.ThisNamespace(name)
	if err != nil {
		return err
	}
	defer here.Close()
	all := []*mtu.Namespace{here}
	more, err := t.namespaces()
	if err != nil {
		return err
	}
	for _, m := range more {
		defer m.Close()
	}
	t.snapshot.Hosts, err = mtu.Observe(ctx, append(all, more...)...)
	return err
}

func (t *tool) namespaces() ([]*mtu.Namespace, error) {
	const dir = "/run/netns"
	var names []string
	switch t.netns {
	case "":
		return nil, nil
	case "all":
		entries, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
	default:
		names = strings.Split(t.netns, ",")
	}
	var out []*mtu.Namespace
	for _, n := range names {
		ns, err := mtu.OpenNamespace(n, filepath.Join(dir, n))
		if err != nil {
			return nil, err
		}
		out = append(out, ns)
	}
	return out, nil
}

// named splits NAME=FILE; without a name it is the file's.
func named(arg string) (name, file string) {
	name, file, ok := strings.Cut(arg, "=")
	if !ok {
		return strings.TrimSuffix(filepath.Base(arg), ".json"), arg
	}
	return name, file
}

func (t *tool) readFiles() error {
	for _, arg := range t.links {
		h, err := t.readFile(arg)
		if err != nil {
			return err
		}
		t.snapshot.Hosts = append(t.snapshot.Hosts, h)
	}
	for _, arg := range t.features {
		name, _ := named(arg)
		if !slices.ContainsFunc(t.snapshot.Hosts, func(h mtu.Host) bool { return h.Name == name }) {
			return cli.Usage("-features %s: no -links is called %s", arg, name)
		}
	}
	return nil
}

// readFile reads the links of one host, and its features.
func (t *tool) readFile(arg string) (h mtu.Host, err error) {
	name, file := named(arg)
	err = read(file, func(r io.Reader) (err error) {
		h, err = mtu.ReadLinks(r, name, file)
		return err
	})
	for _, f := range t.features {
		if of, file := named(f); err == nil && of == name {
			err = read(file, func(r io.Reader) error { return h.ReadFeatures(r, file) })
		}
	}
	return h, err
}

func read(file string, f func(io.Reader) error) error {
	r, err := os.Open(file)
	if err != nil {
		return err
	}
	defer r.Close()
	return f(r)
}

func port(text string) mtu.Port {
	host, link, ok := strings.Cut(text, "/")
	if !ok {
		return mtu.Port{Link: text}
	}
	return mtu.Port{Host: host, Link: link}
}

func (t *tool) readWires(context.Context) error {
	for _, arg := range t.wires {
		from, to, ok := strings.Cut(arg, "=")
		if !ok {
			return cli.Usage("-wire %s: want PORT=FRAME or HOST/PORT=HOST/PORT", arg)
		}
		w := mtu.Wire{From: port(from), Source: "-wire " + arg}
		if n, err := strconv.Atoi(to); err == nil {
			w.Frame = n
		} else {
			w.To = port(to)
		}
		t.snapshot.Wires = append(t.snapshot.Wires, w)
	}
	return nil
}

func (t *tool) readConfigs(context.Context) error {
	root := os.DirFS("/")
	if len(t.nova) > 0 {
		names, err := under(t.nova)
		if err != nil {
			return err
		}
		c, err := mtu.ReadNova(root, names...)
		if err != nil {
			return err
		}
		t.snapshot.Configs = append(t.snapshot.Configs, c)
	}
	c, err := mtu.Config{}, error(nil)
	if len(t.neutron) > 0 {
		names, err := under(t.neutron)
		if err != nil {
			return err
		}
		if c, err = mtu.ReadNeutron(root, names...); err != nil {
			return err
		}
	}
	if t.ovn != "" {
		m, err := mtu.BridgeMappings(t.ovn, "-ovn-bridge-mappings")
		if err != nil {
			return err
		}
		c.Mappings = append(c.Mappings, m...)
	}
	if len(t.neutron) > 0 || t.ovn != "" {
		t.snapshot.Configs = append(t.snapshot.Configs, c)
	}
	return err
}

// under makes paths of the kind that io/fs knows.
func under(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return nil, err
		}
		out = append(out, strings.TrimPrefix(abs, "/"))
	}
	return out, nil
}

func (t *tool) readNetworks(ctx context.Context) error {
	switch {
	case t.networks != "" && t.cloud != "":
		return cli.Usage("-networks and -os-cloud exclude each other")
	case t.cloud != "":
		return t.askNetworks(ctx)
	case t.networks == "":
		return nil
	}
	return read(t.networks, func(r io.Reader) (err error) {
		t.snapshot.Networks, err = mtu.ReadNetworks(r, t.networks)
		return err
	})
}

func (t *tool) askNetworks(ctx context.Context) error {
	clients, err := openstack.Login(ctx, t.cloud, os.Getenv)
	if err != nil {
		return err
	}
	networks, unseen, err := openstack.Networks(ctx, clients)
	t.snapshot.Networks, t.snapshot.Unseen = networks, append(t.snapshot.Unseen, unseen...)
	return err
}

func (t *tool) readCaptures(context.Context) error {
	for _, arg := range t.pcaps {
		point, file, ok := strings.Cut(arg, "=")
		if !ok {
			return cli.Usage("-pcap %s: want POINT=FILE", arg)
		}
		if err := read(file, func(r io.Reader) error {
			c, err := mtu.ReadCapture(r, point, file)
			t.snapshot.Captures = append(t.snapshot.Captures, c)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

func (t *tool) probe(ctx context.Context) error {
	for _, arg := range t.probes {
		method, target, ok := strings.Cut(arg, ":")
		if !ok || method != "udp" && method != "tcp" {
			method, target = "icmp", arg
		}
		if method == "tcp" {
			if err := t.probeTCP(ctx, target); err != nil {
				return err
			}
			continue
		}
		r, err := probeOne(ctx, method, target)
		if err != nil {
			return err
		}
		t.snapshot.Probes = append(t.snapshot.Probes, r)
	}
	return nil
}

func probeOne(ctx context.Context, method, target string) (mtu.Report, error) {
	to, err := address(method, target)
	if err != nil {
		return mtu.Report{}, cli.Usage("-probe %s: %v", target, err)
	}
	s, err := mtu.ListenProbe(method, to)
	if err != nil {
		return mtu.Report{}, err
	}
	defer s.Close()
	r, err := mtu.Probe(ctx, s, mtu.ProbeOptions{})
	r.Method, r.Target = method, target
	return r, err
}

func address(method, target string) (netip.AddrPort, error) {
	if method == "udp" {
		return netip.ParseAddrPort(target)
	}
	a, err := netip.ParseAddr(target)
	return netip.AddrPortFrom(a, 0), err
}

func (t *tool) probeTCP(ctx context.Context, target string) error {
	const wait = 3 * time.Second
	d := net.Dialer{Timeout: wait}
	c, err := d.DialContext(ctx, "tcp", target)
	if err != nil {
		return fmt.Errorf("-probe tcp:%s: %w", target, err)
	}
	defer c.Close()
	r, err := mtu.ProbeTCP(ctx, c.(*net.TCPConn), wait)
	if err != nil {
		return err
	}
	t.snapshot.Probes = append(t.snapshot.Probes, r.Report(target))
	return nil
}

// session is the address that the operator comes from.
func session(from string) ([]netip.Addr, error) {
	if from == "" {
		return nil, nil
	}
	a, err := netip.ParseAddr(from)
	if err != nil {
		return nil, cli.Usage("-session: %v", err)
	}
	return []netip.Addr{a}, nil
}
