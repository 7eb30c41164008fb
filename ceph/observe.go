package ceph

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stackmend/stackmend"
)

// MaxParallel is how many questions are under way at a time at most: more
// would be a load of their own on a cluster in need.
const MaxParallel = 16

// Options say what Observe asks. The zero value asks everything.
type Options struct {
	// OSDs whose own counters are asked for; nil: all that are up. An empty
	// list that is not nil is an error.
	OSDs []int
	// NoDaemons leaves the OSDs' own counters out; what rests on them is
	// then Unknown.
	NoDaemons bool
	Parallel  int           // 0, or more than MaxParallel: MaxParallel
	Timeout   time.Duration // for one command; 0: 30 s
	// DumpTimeout is for `pg dump`, which a manager of a big cluster needs a
	// minute or two for; 0: 3 min.
	DumpTimeout time.Duration
	LogLines    int              // of the cluster log; 0: 10000, the most that Ceph gives
	Now         func() time.Time // nil: time.Now, or the time of a recording
}

func (o Options) defaults(c Commander) (Options, error) {
	if o.OSDs != nil && len(o.OSDs) == 0 {
		return o, errors.New("ceph: an empty list of OSDs; nil asks all")
	}
	if o.Parallel <= 0 || o.Parallel > MaxParallel {
		o.Parallel = MaxParallel
	}
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	o.DumpTimeout = cmp.Or(o.DumpTimeout, 3*time.Minute)
	o.LogLines = cmp.Or(o.LogLines, 10000)
	if o.Now == nil {
		o.Now = time.Now
		if r, ok := c.(interface{ Taken() time.Time }); ok && !r.Taken().IsZero() {
			o.Now = r.Taken
		}
	}
	return o, nil
}

// Observe asks the cluster what Check needs to know. It changes nothing. What
// could not be seen, because a daemon hangs, does not answer, is not permitted
// to, or talks nonsense, stands in Snapshot.Unseen and is not an error. The
// error is that of ctx if it ends, or the monitors' if they gave no OSD map:
// then nothing is known at all, and the Snapshot is what little was seen.
func Observe(ctx context.Context, c Commander, o Options) (*Snapshot, error) {
	o, err := o.defaults(c)
	if err != nil {
		return nil, err
	}
	w := &observer{Options: o, to: c, s: &Snapshot{Taken: o.Now().UTC()}}
	err = w.cluster(ctx)
	if err == nil && !o.NoDaemons {
		w.daemons(ctx)
	}
	if err == nil {
		w.queries(ctx)
		_ = w.ask(ctx, statusSource()) // stands in Unseen
	}
	slices.SortFunc(w.s.Unseen, func(a, b Unseen) int { return strings.Compare(a.Source, b.Source) })
	if ctx.Err() != nil {
		return w.s, context.Cause(ctx)
	}
	return w.s, err
}

// observer fills a Snapshot.
type observer struct {
	Options
	to Commander
	mu sync.Mutex
	s  *Snapshot
}

// cluster asks the monitors and the manager.
func (w *observer) cluster(ctx context.Context) error {
	if err := w.ask(ctx, osdMapSource()); err != nil {
		for _, src := range append(monSources(1), statusSource()) {
			w.unseen(src.command, notAsked("the monitors gave no OSD map", err))
		}
		for _, src := range append(mgrSources(), osdPerfSource()) {
			w.unseen(src.command, notAsked("the monitors gave no OSD map", err))
		}
		return fmt.Errorf("ceph: no OSD map: %w", err)
	}
	var g errgroup.Group
	g.SetLimit(w.Parallel)
	for _, src := range monSources(w.LogLines) {
		g.Go(func() error { _ = w.ask(ctx, src); return nil }) // stands in Unseen
	}
	g.Go(func() error { w.manager(ctx); return nil })
	return g.Wait()
}

// notAsked is why a question was not put. It is not late or denied itself.
func notAsked(why string, err error) error {
	return fmt.Errorf("not asked, for %s: %s", why, err.Error())
}

// manager asks a cheap question first: one that hangs is not asked a dear one.
func (w *observer) manager(ctx context.Context) {
	err := w.ask(ctx, osdPerfSource())
	late := errors.Is(err, stackmend.ErrUncertain) || errors.Is(err, stackmend.ErrTimeout)
	for _, src := range mgrSources() {
		if late {
			w.unseen(src.command, notAsked("the manager did not answer", err))
			continue
		}
		_ = w.ask(ctx, src) // stands in Unseen
	}
}

// ask puts one command and reads the answer into the Snapshot. An answer that
// ends badly leaves the Snapshot as it was.
func (w *observer) ask(ctx context.Context, src source) error {
	patience := w.Timeout
	if src.command.Prefix == "pg dump" {
		patience = w.DumpTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := w.to.Command(ctx, src.command)
	if err == nil {
		// The sources fill different fields (see Snapshot.OSD): no lock is
		// held while a long answer is read.
		err = errors.Join(src.read(w.s, r), r.Close())
	}
	if err != nil && !(src.quiet && harmless(err)) {
		w.unseen(src.command, err)
	}
	return err
}

// harmless: the daemon answered that it cannot, or a recording lacks it.
func harmless(err error) bool {
	var ce *CommandError
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errors.ErrUnsupported) ||
		errors.As(err, &ce) && (ce.Code == codeInvalid || ce.Code == codeAbsent)
}

func (w *observer) unseen(c Command, err error) {
	u := Unseen{
		Source: c.file(), Reason: err.Error(), Denied: errors.Is(err, fs.ErrPermission),
		Late: errors.Is(err, stackmend.ErrUncertain) || errors.Is(err, stackmend.ErrTimeout),
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.s.Unseen = append(w.s.Unseen, u)
}

// daemons asks the OSDs themselves, MaxParallel questions at a time.
func (w *observer) daemons(ctx context.Context) {
	ids := w.OSDs
	if ids == nil {
		for _, o := range w.s.OSDs {
			if o.Up {
				ids = append(ids, o.ID)
			}
		}
	}
	found := make([]*Daemon, len(ids))
	var g errgroup.Group
	g.SetLimit(w.Parallel)
	for i, id := range ids {
		g.Go(func() error { found[i] = w.daemon(ctx, id); return nil })
	}
	_ = g.Wait() // none of them returns an error
	for i, id := range ids {
		if o := w.s.OSD(id); o != nil {
			o.Daemon = found[i]
		}
	}
}

// daemon asks one OSD. If it does not answer the first question it is not
// asked the others; nil: it answered nothing.
func (w *observer) daemon(ctx context.Context, id int) *Daemon {
	d, answered := &Daemon{}, false
	sources := daemonSources()
	for i, src := range sources {
		err := w.askDaemon(ctx, id, src, d)
		answered = answered || err == nil
		if err == nil || src.quiet && harmless(err) {
			continue
		}
		w.unseen(src.command(id), err)
		if errors.Is(err, stackmend.ErrUncertain) || errors.Is(err, stackmend.ErrTimeout) {
			for _, rest := range sources[i+1:] {
				w.unseen(rest.command(id), notAsked(osdName(id)+" did not answer", err))
			}
			break
		}
	}
	if !answered {
		return nil
	}
	return d
}

func (w *observer) askDaemon(ctx context.Context, id int, src daemonSource, d *Daemon) error {
	ctx, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	r, err := w.to.Command(ctx, src.command(id))
	if err != nil {
		return err
	}
	return errors.Join(src.read(d, r), r.Close())
}
