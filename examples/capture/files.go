package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/stackmend/stackmend/internal/recording"
)

// What the checks read of a host's files, where distributions, kolla and
// cephadm put them.
var (
	configFiles = []string{
		"etc/nova/*.conf", "etc/nova/nova.conf.d/*.conf", "etc/neutron/*.conf", "etc/neutron/plugins/ml2/*.ini", "etc/cinder/cinder.conf",
		"etc/glance/glance-api.conf", "etc/haproxy/haproxy.cfg", "etc/mysql/my.cnf", "etc/mysql/*.d/*.cnf", "etc/my.cnf", "etc/my.cnf.d/*.cnf",
		"etc/ceph/ceph.conf", "etc/libvirt/qemu.conf", "etc/libvirt/virtlogd.conf", "etc/dnsmasq.conf", "etc/dnsmasq.d/*", "etc/dhcp/dhclient.conf",
		"etc/kolla/*/*.conf", "etc/kolla/*/*.cfg", "etc/kolla/*/*.cnf", "etc/kolla/*/*.ini", "etc/sysctl.conf", "etc/sysctl.d/*.conf",
	}
	logFiles = []string{
		"var/log/nova/*.log", "var/log/neutron/*.log", "var/log/cinder/*.log", "var/log/haproxy.log", "var/log/haproxy/*.log",
		"var/log/kolla/*/*.log", "var/log/ceph/*.log", "var/log/libvirt/qemu/*.log", "var/log/mysql/*.err", "var/log/syslog", "var/log/messages",
		"var/log/kern.log", "var/log/daemon.log",
	}
	hostFiles = []string{
		"etc/os-release", "proc/version", "proc/uptime", "proc/loadavg", "proc/meminfo", "proc/mounts", "proc/interrupts", "proc/softirqs",
		"proc/net/dev", "proc/net/snmp", "proc/net/netstat", "proc/net/softnet_stat", "proc/net/bonding/*", "proc/pressure/*",
		"proc/sys/net/core/*mem*", "proc/sys/net/ipv4/tcp_*mem", "proc/sys/vm/min_free_kbytes", "proc/sys/vm/swappiness",
	}
)

const (
	maxConfig = 4 << 20 // bytes of one file that is kept whole
	maxLogs   = 64 << 20
)

func configs(ctx context.Context, s *settings, w *recording.Writer) error {
	return s.keep(ctx, w, "configs", append(slices.Clone(configFiles), s.configs...), maxConfig)
}

func host(ctx context.Context, s *settings, w *recording.Writer) error {
	return s.keep(ctx, w, "host", hostFiles, maxConfig)
}

// logs are their ends: what happened last.
func logs(ctx context.Context, s *settings, w *recording.Writer) error {
	return s.keep(ctx, w, "logs", append(slices.Clone(logFiles), s.logs...), int64(s.excerpt))
}

// keep adds the files that the patterns name. Within -root no link leads out.
func (s *settings) keep(ctx context.Context, w *recording.Writer, folder string, patterns []string, most int64) error {
	root, err := os.OpenRoot(s.root)
	if err != nil {
		return err
	}
	defer root.Close()
	names, err := matches(root.FS(), patterns)
	if err != nil {
		return err
	}
	left := int64(maxLogs)
	for _, name := range names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b, cut, err := end(root, name, min(most, left))
		if err == nil {
			left -= int64(len(b))
			err = w.Add(recording.Entry{Name: folder + "/" + name, Source: "/" + name, Cut: cut}, b)
		}
		if err != nil {
			w.Unseen("/"+name, err)
		}
	}
	return nil
}

// matches are the files, each once.
func matches(fsys fs.FS, patterns []string) (names []string, err error) {
	for _, p := range patterns {
		found, err := fs.Glob(fsys, strings.TrimPrefix(path.Clean(p), "/"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// end reads the end of a file, whole lines of it; cut is how much went before.
// A FIFO or device is not read. The files of proc have no size.
func end(root *os.Root, name string, most int64) (b []byte, cut int64, err error) {
	i, err := root.Stat(name)
	if err != nil {
		return nil, 0, err
	}
	if !i.Mode().IsRegular() {
		return nil, 0, errors.New("no plain file")
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	if cut = max(0, i.Size()-most); cut > 0 {
		if _, err := f.Seek(cut, io.SeekStart); err != nil {
			return nil, 0, err
		}
	}
	b, err = io.ReadAll(io.LimitReader(f, most))
	if cut > 0 {
		n := slices.Index(b, '\n') + 1 // the first line is not whole
		b, cut = b[n:], cut+int64(n)
	}
	return b, cut, err
}
