package consolelog

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// daemon notes one of libvirt's daemons, for its configuration.
func (p process) daemon(out *processes) {
	comm := p.comm()
	if comm != "virtlogd" && comm != "libvirtd" && comm != "virtqemud" {
		return
	}
	d := daemon{pid: p.pid, comm: comm, root: filepath.Join(p.dir, "root")}
	if b, err := os.ReadFile(filepath.Join(p.dir, "cmdline")); err == nil {
		d.conf = confOf(strings.Split(string(b), "\x00"))
	}
	if info, err := os.Stat(p.dir); err == nil {
		d.began = info.ModTime() // when the kernel made the folder of the process: when it began, or a little later
	}
	out.daemons = append(out.daemons, d)
	slices.SortFunc(out.daemons, func(a, b daemon) int { return cmp.Compare(a.pid, b.pid) })
}

// confOf finds -f FILE, --config FILE and --config=FILE of a command line.
func confOf(args []string) string {
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, "--config="); ok {
			return v
		}
		if (a == "-f" || a == "--config") && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// readConfiguration reads virtlogd.conf and qemu.conf as the running daemons
// see them, in their containers, or where they would be.
func (s *Snapshot) readConfiguration(src Source, seen processes) {
	for _, d := range withFallback(seen.daemons, "virtlogd") {
		path := cmp.Or(d.conf, src.VirtlogdConf)
		v, where, err := readConf(d, path, ParseVirtlogd)
		if err != nil {
			s.unseen("configuration of virtlogd: %v", err)
			continue
		}
		v.Where = where
		s.Virtlogd = append(s.Virtlogd, v)
	}
	for _, d := range withFallback(seen.daemons, "libvirtd", "virtqemud") {
		q, where, err := readConf(d, src.QemuConf, ParseQemuConf) // their -f is of another file
		if err != nil {
			s.unseen("qemu.conf: %v", err)
			continue
		}
		q.Where = where
		s.Qemu = append(s.Qemu, q)
	}
}

// withFallback picks daemons by name. If none runs, the zero daemon stands
// for the host's own file tree.
func withFallback(all []daemon, names ...string) []daemon {
	var out []daemon
	for _, d := range all {
		if slices.Contains(names, d.comm) {
			out = append(out, d)
		}
	}
	if len(out) == 0 {
		out = append(out, daemon{})
	}
	return out
}

// maxConf bounds a configuration file.
const maxConf = 1 << 20

func readConf[T any](d daemon, path string, parse func(io.Reader) (T, error)) (v T, where Where, err error) {
	where = Where{Path: path, PID: d.pid}
	f, err := os.OpenFile(filepath.Join(cmp.Or(d.root, "/"), path), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		where.Missing = true
		v, err = parse(strings.NewReader(""))
		return v, where, err
	}
	if err != nil {
		return v, where, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return v, where, err
	}
	where.Later = later(info.ModTime().Truncate(time.Second), d.began)
	v, err = parse(io.LimitReader(f, maxConf))
	return v, where, err
}
