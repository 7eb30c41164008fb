package dhcp

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/stackmend/stackmend"
)

// VerbSoak is the verb of steps that send load through an instance.
const VerbSoak = "soak"

// Direction is which way the load of a soak goes.
type Direction string

// The directions, as the instance sees them.
const (
	ToInstance   Direction = "to"
	FromInstance Direction = "from"
	BothWays     Direction = "both"
)

// A Soak is load through one instance for a long time, while its lease and its
// traffic are watched: it provokes a network that stops under load, and proves
// that one does no longer. Its zero value is an error.
type Soak struct {
	MAC       MAC
	For       time.Duration // in all, at most MaxSoak
	Every     time.Duration // the length of a step, after which it can be resumed; zero: five minutes
	Addr      IPv4          // where an iperf3 server listens in the instance; zero: the address of its lease
	Port      int           // its port; zero: 5201
	Streams   int           // connections side by side; zero: one
	Rate      int64         // bits a second of each; zero: as much as goes
	Direction Direction     // empty: BothWays
}

// MaxSoak bounds a soak.
const MaxSoak = 31 * 24 * time.Hour

// maxSoakSteps bounds its plan.
const maxSoakSteps = 10_000

// PlanSoak plans a soak: steps that follow each other, each of which carries its
// load whole while the lease is held, or is the first break. It reads nothing
// but the snapshot, which must show that the instance is well: what is broken
// already need not be provoked. The plan may be applied for twice the time that
// it takes, and a day.
//
// The error is compatible with errors.Is(err, stackmend.ErrRefused) if the soak
// has no end, or makes no sense.
func PlanSoak(s *Snapshot, k Soak, now time.Time) (*stackmend.Plan, error) {
	k.fill()
	if err := k.valid(); err != nil {
		return nil, err
	}
	p := &stackmend.Plan{Check: "dhcp", Subject: s.Subject, Created: now.UTC(), Unseen: s.unseen(), Exists: stackmend.Cost{Instances: 1}}
	p.Expires = p.Created.Add(2*k.For + 24*time.Hour)
	one := *s
	one.Only = []MAC{k.MAC}
	for c := range Converse(&one) {
		v := JudgeOne(c)
		v.Instance = s.instance(c.MAC)
		k.Addr = cmp.Or(k.Addr, v.Addr)
		if why := k.unfit(c, v); why != "" {
			p.Refusals = append(p.Refusals, why)
			return p, nil
		}
		p.Steps = k.steps(v, c.Lease.longest())
		return p, nil
	}
	p.Refusals = append(p.Refusals, "nothing was seen of "+k.MAC.String())
	return p, nil
}

func (s *Snapshot) instance(m MAC) (found Instance) {
	for _, i := range s.Instances {
		if i.MAC == m {
			found = i.or(found)
		}
	}
	return found
}

func (k *Soak) fill() {
	k.Every = cmp.Or(k.Every, 5*time.Minute)
	k.Port = cmp.Or(k.Port, 5201)
	k.Streams = cmp.Or(k.Streams, 1)
	k.Direction = cmp.Or(k.Direction, BothWays)
	k.Every = min(k.Every, k.For)
}

func (k *Soak) valid() error {
	switch {
	case k.MAC == MAC{}:
		return fmt.Errorf("%w: no instance is named", stackmend.ErrRefused)
	case k.For < time.Second || k.For > MaxSoak:
		return fmt.Errorf("%w: a soak of %v: it is for a second to %v", stackmend.ErrRefused, k.For, MaxSoak)
	case k.Every < time.Second || k.For/k.Every > maxSoakSteps:
		return fmt.Errorf("%w: steps of %v for %v", stackmend.ErrRefused, k.Every, k.For)
	}
	return k.sending().valid()
}

// unfit says why the instance is not to be soaked.
func (k *Soak) unfit(c Conversation, v Verdict) string {
	switch {
	case v.Status != stackmend.OK && v.Status != stackmend.Warn: // what it has recovered from is what one soaks for
		return fmt.Sprintf("it is not well to begin with: %s (%s): %s", v.Code, v.Confidence, v.Message)
	case c.Lease.longest() == 0:
		return "how long its lease lasts was not seen, so that its end could not be either"
	case k.Addr == IPv4{}:
		return "its address is not known"
	}
	return ""
}

// steps share the time. Whole seconds, which is what iperf3 knows.
func (k *Soak) steps(v Verdict, lease time.Duration) (all []stackmend.Step) {
	left := k.For.Truncate(time.Second)
	each := k.Every.Truncate(time.Second)
	n := int((left + each - 1) / each)
	for i := range n {
		l := k.sending()
		l.span = min(each, left)
		left -= l.span
		args := l.args()
		args["mac"], args["lease"], args["step"] = k.MAC.String(), lease.String(), fmt.Sprintf("%d/%d", i+1, n)
		all = append(all, stackmend.Step{Verb: VerbSoak, Target: fmt.Sprintf("%s %d/%d", v.target(), i+1, n), Stage: i, Args: args, Timeout: 2 * time.Minute,
			Assumes: map[string]string{"lease": "held"}, Cost: stackmend.Cost{Instances: 1},
			Reason: fmt.Sprintf("load for %v, %s, while the lease is watched", l.span, l.what()), Undo: "nothing is left: the load ends with the step"})
	}
	return all
}

// A sending is the load of one step.
type sending struct {
	addr      IPv4
	port      int
	span      time.Duration
	streams   int
	rate      int64
	direction Direction
}

func (k *Soak) sending() sending {
	return sending{k.Addr, k.Port, k.Every, k.Streams, k.Rate, k.Direction}
}

func (l sending) valid() error {
	if l.port < 1 || l.port > 65535 || l.streams < 1 || l.streams > 128 || l.rate < 0 ||
		!slices.Contains([]Direction{ToInstance, FromInstance, BothWays}, l.direction) {
		return fmt.Errorf("%w: load to port %d by %d streams of %d bit/s, direction %q", stackmend.ErrRefused, l.port, l.streams, l.rate, l.direction)
	}
	return nil
}

func (l sending) what() string {
	rate := "as much as goes"
	if l.rate > 0 {
		rate = fmt.Sprintf("%.1f Mbit/s", float64(l.rate)/1e6)
	}
	return fmt.Sprintf("%d streams of %s, %s the instance", l.streams, rate, map[Direction]string{ToInstance: "to", FromInstance: "from", BothWays: "to and from"}[l.direction])
}

func (l sending) args() map[string]string {
	return map[string]string{"addr": l.addr.String(), "port": strconv.Itoa(l.port), "for": l.span.String(), "streams": strconv.Itoa(l.streams),
		"rate": strconv.FormatInt(l.rate, 10), "direction": string(l.direction)}
}

// sendingOf reads the load of a step, which is not trusted.
func sendingOf(args map[string]string) (l sending, err error) {
	addr, err1 := netip.ParseAddr(args["addr"])
	var err2, err3, err4, err5 error
	l.port, err2 = strconv.Atoi(args["port"])
	l.span, err3 = time.ParseDuration(args["for"])
	l.streams, err4 = strconv.Atoi(args["streams"])
	l.rate, err5 = strconv.ParseInt(args["rate"], 10, 64)
	l.direction = Direction(args["direction"])
	if err := cmp.Or(err1, err2, err3, err4, err5); err != nil || !addr.Is4() || l.span < time.Second || l.span > MaxSoak {
		return l, fmt.Errorf("%w: a load of %q", stackmend.ErrRefused, args)
	}
	l.addr = addr.As4()
	return l, l.valid()
}
