// Capture is the flight recorder: one archive of everything that the checks
// look at on this host, with the secrets removed. It changes nothing.
//
//	capture -o c01.tar.gz                            # this host: links, taps, image cache, consoles, files
//	capture -o c01.tar.gz -os-cloud admin            # and what the APIs say
//	capture -o mon1.tar.gz -only ceph                # and a cluster, where there is a ceph.conf
//	dbarchive -nova-conf nova.conf -before 365d -record db.tar.gz
//	capture -o all.tar.gz -with db.tar.gz            # and what another program has recorded
//
// A colleague then runs mtu -replay c01.tar.gz, and so on. Consoles of guests
// are measured, not copied. Names, addresses and UUIDs stay: look at what is in
// it before you give it away.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/internal/recording"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], cli.Streams{Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}))
}

// settings are the flags.
type settings struct {
	out, root, instances, only string
	cloud, conf, id, keyring   string
	configs, logs, with        cli.List
	excerpt                    cli.Size
	timeout                    time.Duration
	getenv                     func(string) string
}

func (s *settings) flags(fs *flag.FlagSet) {
	fs.StringVar(&s.out, "o", "", "make the archive `FILE`, which must not be there")
	fs.StringVar(&s.only, "only", "", "only these `PARTS`, by comma: "+strings.Join(partNames(), ", "))
	fs.StringVar(&s.root, "root", "/", "where the host's files are, `DIR`, as seen from a container")
	fs.StringVar(&s.instances, "instances", "/var/lib/nova/instances", "nova's instances_path, `DIR`")
	fs.StringVar(&s.cloud, "os-cloud", "", "ask the APIs of cloud `NAME` of clouds.yaml, as an administrator")
	fs.StringVar(&s.conf, "conf", "", "the `ceph.conf` of a cluster to ask (default: /etc/ceph/ceph.conf if it is there)")
	fs.StringVar(&s.id, "id", "", "the `user` for that, without \"client.\"")
	fs.StringVar(&s.keyring, "keyring", "", "and its keyring `FILE`")
	fs.Var(&s.configs, "config", "also the configuration `FILE` below -root; may be repeated, with * for many")
	fs.Var(&s.logs, "log", "also the end of the log `FILE` below -root; may be repeated, with * for many")
	fs.Var(&s.excerpt, "excerpt", "how much of the end of a log, a `SIZE`")
	fs.Var(&s.with, "with", "also what is in the recording `FILE` of another program; may be repeated")
	fs.DurationVar(&s.timeout, "part-timeout", 2*time.Minute, "the longest `time` for one part")
}

const usage = 64

// run is the program without its process.
func run(ctx context.Context, args []string, std cli.Streams) int {
	s := &settings{excerpt: 256 << 10, getenv: std.Getenv}
	fs := flag.NewFlagSet("capture", flag.ContinueOnError)
	fs.SetOutput(std.Err)
	s.flags(fs)
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return usage
	}
	parts, err := s.parts(fs.NArg())
	if err != nil {
		_ = cli.Note(std.Err, "capture: %v\n", err)
		return usage
	}
	m, err := s.capture(ctx, parts)
	if err != nil {
		_ = cli.Note(std.Err, "capture: %v\n", err)
		return 3
	}
	return tell(std.Out, s.out, m)
}

// parts are those that the flags choose.
func (s *settings) parts(args int) ([]part, error) {
	switch {
	case args > 0:
		return nil, errors.New("unexpected arguments")
	case s.out == "":
		return nil, errors.New("-o FILE is missing")
	case s.excerpt < 1 || s.timeout <= 0:
		return nil, errors.New("-excerpt and -part-timeout must be positive")
	case s.only == "":
		return allParts, nil
	}
	var chosen []part
	for name := range strings.SplitSeq(s.only, ",") {
		p, ok := find(name)
		if !ok {
			return nil, fmt.Errorf("-only: no part is called %q; they are %s", name, strings.Join(partNames(), ", "))
		}
		chosen = append(chosen, p)
	}
	return chosen, nil
}

// capture goes through the parts; one that fails is noted, and the others go on.
func (s *settings) capture(ctx context.Context, parts []part) (recording.Manifest, error) {
	host, err := os.Hostname()
	if err != nil {
		return recording.Manifest{}, err
	}
	w, err := recording.Create(s.out, host, time.Now())
	if err != nil {
		return recording.Manifest{}, err
	}
	for _, p := range parts {
		limited, cancel := context.WithTimeout(ctx, s.timeout)
		err := p.collect(limited, s, w)
		cancel()
		if ctx.Err() != nil {
			return recording.Manifest{}, errors.Join(context.Cause(ctx), w.Abandon())
		}
		if err != nil {
			w.Unseen(p.name, err)
		}
	}
	for _, path := range s.with {
		if err := merge(w, path); err != nil {
			return recording.Manifest{}, errors.Join(fmt.Errorf("-with: %w", err), w.Abandon())
		}
	}
	return w.Close()
}

// tell lists what is in the archive and what is not. The status is 0, or 3 if
// there is nothing in it.
func tell(out io.Writer, path string, m recording.Manifest) int {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, e := range m.Entries {
		note := ""
		if e.Removed > 0 {
			note = fmt.Sprintf("%d secrets removed", e.Removed)
		}
		if e.Cut > 0 {
			note = strings.TrimPrefix(note+", the end of it", ", ")
		}
		_ = cli.Note(t, "%s\t%s\t%s\n", cli.Clean(e.Name), cli.Bytes(e.Bytes), note)
	}
	_ = t.Flush()
	for _, u := range m.Unseen {
		_ = cli.Note(out, "not in it: %s\n", cli.Clean(u))
	}
	_ = cli.Note(out, "%s: %d entries, %d secrets removed. Names and addresses are in it.\n", path, len(m.Entries), m.Secrets())
	if len(m.Entries) == 0 {
		return 3
	}
	return 0
}

// merge adds the entries of another recording.
func merge(w *recording.Writer, path string) error {
	a, err := recording.Open(path)
	if err != nil {
		return err
	}
	defer a.Close()
	root, err := os.OpenRoot(a.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, e := range a.Manifest.Entries {
		b, err := root.ReadFile(e.Name)
		if err != nil {
			return err
		}
		if err := w.AddClean(e, b); err != nil {
			return err
		}
	}
	for _, u := range a.Manifest.Unseen {
		w.Unseen(path, errors.New(u))
	}
	return nil
}
