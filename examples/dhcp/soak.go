package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/dhcp"
	"github.com/stackmend/stackmend/examples/cli"
)

// A soak is what the flags say of load through an instance.
type soak struct {
	all, every          time.Duration
	to, direction, book string
	iperf3              string
	port, streams       int
	rate                cli.Size
}

func (k *soak) flags(f *flag.FlagSet) {
	f.DurationVar(&k.all, "soak", 0, "plan load through the instance of -mac for `this long`, such as 48h, while its lease and traffic are watched: an iperf3 server must listen in it")
	f.DurationVar(&k.every, "soak-step", 5*time.Minute, "with -soak: the length of a step, `this long`; after each the soak can be resumed")
	f.StringVar(&k.to, "soak-to", "", "with -soak: the `ADDR` of the iperf3 server (default: that of the lease)")
	f.IntVar(&k.port, "soak-port", 5201, "with -soak: the `PORT` of the iperf3 server")
	f.IntVar(&k.streams, "soak-streams", 1, "with -soak: connections side by side, `N`")
	f.Var(&k.rate, "soak-rate", "with -soak: `SIZE` a second of each connection and direction (default: as much as goes)")
	f.StringVar(&k.direction, "soak-direction", string(dhcp.BothWays), "with -soak: `to` the instance, from it, or both")
	f.StringVar(&k.iperf3, "iperf3", "iperf3", "with -soak: the `COMMAND`, its words separated by spaces")
	f.StringVar(&k.book, "soak-book", "", "with -soak: keep what each step has carried in `FILE`, as JSON lines; a resumed soak counts on from it")
}

// given: something was said of a soak.
func (k *soak) given() bool {
	return k.to != "" || k.port != 5201 || k.streams != 1 || k.rate > 0 || k.direction != string(dhcp.BothWays)
}

func (s *settings) soakable() error {
	if len(s.only) != 1 {
		return cli.Usage("-soak is through one instance: name it by -mac")
	}
	return s.watchable("-soak")
}

func (s *settings) planSoak() (*stackmend.Plan, error) {
	k := dhcp.Soak{MAC: s.snapshot.Only[0], For: s.soak.all, Every: s.soak.every, Port: s.soak.port, Streams: s.soak.streams,
		Rate: 8 * int64(s.soak.rate), Direction: dhcp.Direction(s.soak.direction)}
	if s.soak.to != "" {
		a, err := netip.ParseAddr(s.soak.to)
		if err != nil || !a.Is4() {
			return nil, cli.Usage("-soak-to: %q is not an IPv4 address", s.soak.to)
		}
		k.Addr = a.As4()
	}
	p, err := dhcp.PlanSoak(s.snapshot, k, time.Now())
	if err != nil {
		return nil, cli.Usage("%v", err)
	}
	return p, nil
}

func (s *settings) soaker(p *stackmend.Plan) (stackmend.Applier, error) {
	if err := s.watchable("-soak"); err != nil {
		return nil, err
	}
	b := &book{path: s.soak.book, out: s.changes, plan: p.ID()}
	if err := b.read(); err != nil {
		return nil, err
	}
	return &dhcp.Soaker{Iperf3: strings.Fields(s.soak.iperf3), Observe: s.again, Carried: b.carried}, nil
}

// A book sums up what a soak has carried, over all runs of its plan.
type book struct {
	path, plan string
	out        io.Writer
	held       time.Duration
	bytes      int64
}

// An entry is a line of the book.
type entry struct {
	Plan string `json:"plan"`
	dhcp.Stretch
}

// read sums up what earlier runs of the plan have carried whole.
func (b *book) read() error {
	if b.path == "" {
		return nil
	}
	f, err := os.Open(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for d := json.NewDecoder(f); ; {
		var e entry
		err := d.Decode(&e)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", b.path, err)
		case e.Plan == b.plan && e.Break == "":
			b.held += e.Held
			b.bytes += e.Bytes
		}
	}
}

// carried writes a step down and tells of the whole.
func (b *book) carried(s dhcp.Stretch) error {
	b.held += s.Held
	b.bytes += s.Bytes
	end := "held"
	if s.Break != "" {
		end = "broken: " + s.Break
	}
	err := cli.Note(b.out, "soak %s: %s after %v of load, %s carried\n", s.Step, end, b.held.Round(time.Second), cli.Bytes(b.bytes))
	if b.path == "" {
		return err
	}
	f, err2 := os.OpenFile(b.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(f).Encode(entry{b.plan, s}), f.Close())
}
