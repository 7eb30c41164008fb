package ceph

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ObserveHost looks at the host that this runs on, twice with Between between.
// It changes nothing. What could not be seen stands in Host.Unseen; the error
// is that of ctx. On other systems than Linux it is [errors.ErrUnsupported].
func ObserveHost(ctx context.Context, o HostOptions) (*Host, error) {
	if o.Proc == nil {
		o.Proc = os.DirFS("/proc")
	}
	if o.Sys == nil {
		o.Sys = os.DirFS("/sys")
	}
	o.KernelLog = cmp.Or(o.KernelLog, "/dev/kmsg")
	o.Between = cmp.Or(o.Between, 5*time.Second)
	r := &hostReader{o, &Host{Name: o.Name, Taken: time.Now().UTC(), TimeWait: -1}}
	if r.h.Name == "" {
		name, err := os.Hostname()
		r.see("hostname", err)
		r.h.Name = name
	}
	if err := r.files(ctx); err != nil {
		return r.h, err
	}
	r.cards()
	r.kernelLog()
	r.units(ctx)
	return r.h, nil
}

// number reads a file that holds a number; "max" is none.
func (r *hostReader) number(dir, name string) (int64, error) {
	b, err := fs.ReadFile(r.Sys, path.Join(dir, name))
	if err != nil {
		return -1, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}

// cards are the network cards that have a device behind them.
func (r *hostReader) cards() {
	names, err := fs.ReadDir(r.Sys, "class/net")
	r.see("/sys/class/net", err)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.see("ethtool", err)
		return
	}
	defer unix.Close(fd)
	for _, e := range names {
		dir := path.Join("class/net", e.Name())
		if _, err := fs.Stat(r.Sys, path.Join(dir, "device")); err != nil {
			continue
		}
		nic := NIC{Name: e.Name(), CRCErrors: -1}
		if n, err := r.number(path.Join(dir, "statistics"), "rx_crc_errors"); err == nil {
			nic.CRCErrors = n
		}
		if d, err := unix.IoctlGetEthtoolDrvinfo(fd, e.Name()); err == nil {
			nic.Driver, nic.Firmware = unix.ByteSliceToString(d.Driver[:]), unix.ByteSliceToString(d.Fw_version[:])
		}
		r.h.NICs = append(r.h.NICs, nic)
	}
}

// kernelLog reads what the kernel's ring holds now, without waiting for more.
func (r *hostReader) kernelLog() {
	booted, err := parse(r.Proc, "stat", parseBooted)
	r.see("/proc/stat", err)
	text, err := readRing(r.KernelLog)
	if err != nil {
		r.see(r.KernelLog, err)
		return
	}
	r.h.OOMKills, err = parseKernelLog(bytes.NewReader(text), booted)
	r.see(r.KernelLog, err)
}

// maxRing bounds what is read of the kernel's log.
const maxRing = 32 << 20

// readRing reads /dev/kmsg, which gives one record a read and EAGAIN at the
// end, or EPIPE where records were overwritten meanwhile; or a plain file.
func readRing(name string) ([]byte, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	var all []byte
	record := make([]byte, 16<<10)
	for len(all) < maxRing {
		n, err := unix.Read(fd, record)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EPIPE):
		case errors.Is(err, unix.EAGAIN), n == 0 && err == nil:
			return all, nil
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: name, Err: err}
		default:
			all = append(all, record[:n]...)
		}
	}
	return all, nil
}

// units asks systemd about the OSDs. A host without it, or with containers
// that have other names, has none.
func (r *hostReader) units(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "systemctl", "show", "--property="+unitProperties, "ceph*osd*.service")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		r.see("systemctl show", err)
		return
	}
	r.h.Units, err = parseUnits(bytes.NewReader(out))
	r.see("systemctl show", err)
}
