package consolelog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/stackmend/stackmend"
)

// A Site is what an Applier may touch. A plan can come from a file, so it is
// held to it.
type Site struct {
	Instances string // nova's instances_path; other folders are refused
	Proc      string // "/proc"
	Writers   []string
	Archive   Archive
}

// An Archive is where removed bytes go, if Dir is set.
type Archive struct {
	Dir            string
	Workers        int   // cores to compress with; 0: all
	BytesPerSecond int64 // of a log, read at most; 0: without a limit
	// Segment is how much of a log is archived and removed at a time, which
	// bounds the room that the archive needs before any is freed. 0: 256 MiB.
	Segment int64
}

const defaultSegment = 256 << 20

// An Applier bounds console logs. It is safe for concurrent use on different
// logs; a lock on the log keeps two of them from the same one.
//
// Each step is Do in stretches: archive (synced, read back, with a manifest),
// make a hole, note it in the manifest, and at the end collapse the hole. A
// collapse never takes anything but a hole out of a file, so that it can be
// repeated; what is archived is removed before anything else is archived. A
// run that was killed at any point is continued from what the log and the
// manifests say, with a journal or without.
type Applier struct {
	site Site

	mu   sync.Mutex
	left map[string]extent // how Do left each log, within its limit
}

// NewApplier returns an Applier for a site.
func NewApplier(site Site) (*Applier, error) {
	if site.Instances == "" {
		return nil, errors.New("consolelog: no folder of instances is named")
	}
	root, err := filepath.Abs(site.Instances)
	if err != nil {
		return nil, fmt.Errorf("consolelog: %w", err)
	}
	site.Instances, site.Proc = root, cmp.Or(site.Proc, "/proc")
	a := &site.Archive
	if a.Workers < 0 || a.BytesPerSecond < 0 || a.Segment < 0 || a.Segment%align != 0 {
		return nil, fmt.Errorf("consolelog: archive: numbers must not be negative, and a segment a multiple of %d", align)
	}
	a.Workers = cmp.Or(a.Workers, runtime.GOMAXPROCS(0))
	a.Segment = cmp.Or(a.Segment, defaultSegment)
	return &Applier{site: site, left: map[string]extent{}}, nil
}

// Guards implements [stackmend.Applier]. An archive that is nearly full
// denies: the log is then left as it is.
func (a *Applier) Guards() []stackmend.Guard {
	if a.site.Archive.Dir == "" {
		return nil
	}
	return []stackmend.Guard{stackmend.GuardFunc("archive-space", func(context.Context, stackmend.Request) (stackmend.Verdict, error) {
		f, err := readFilesystem(a.site.Archive.Dir)
		if err != nil {
			return stackmend.Verdict{}, err
		}
		if need := a.site.Archive.Segment + align; f.Free < need {
			return stackmend.Verdict{Reason: fmt.Sprintf("%s has %s free, a segment needs %s", a.site.Archive.Dir, size(f.Free), size(need))}, nil
		}
		return stackmend.Verdict{Decision: stackmend.Permit}, nil
	})}
}

// Recheck implements [stackmend.Applier].
func (a *Applier) Recheck(ctx context.Context, s stackmend.Step) error {
	b, err := a.parse(s)
	if err != nil {
		return err
	}
	return b.recheck(ctx)
}

// Do implements [stackmend.Applier].
func (a *Applier) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	b, err := a.parse(s)
	if err != nil {
		return err
	}
	return b.do(ctx, w)
}

// Verify implements [stackmend.Applier]. A step is in effect if the log holds
// no more than its limit, or did when Do was done with it and has only grown
// since; and, if it was to be collapsed, begins with data.
func (a *Applier) Verify(_ context.Context, s stackmend.Step) error {
	b, err := a.parse(s)
	if err != nil {
		return err
	}
	return b.verify()
}

// extent is where the data of a log lie. What is written while one looks may
// be missing from it.
type extent struct{ hole, size int64 }

func (e extent) held() int64 { return e.size - e.hole }

// leave notes how Do leaves a log.
func (a *Applier) leave(log string, e extent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left[log] = e
}

// grew reports whether a log is as Do left it but for what was written since:
// a guest may fill it up again before anybody looks.
func (a *Applier) grew(log string, now extent) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	was, ok := a.left[log]
	return ok && now.hole == was.hole && now.size >= was.size
}

// bound is one step, held to the site.
type bound struct {
	applier      *Applier
	site         Site
	step         stackmend.Step
	folder, name string // below Site.Instances
	method       string
	limit, keep  int64
	archive      bool
}

// parse refuses what no plan of this package would say.
func (a *Applier) parse(s stackmend.Step) (bound, error) {
	b := bound{applier: a, site: a.site, step: s, method: s.Args[argMethod]}
	if s.Verb != verbBound {
		return b, refuse(s, "unknown verb")
	}
	rest, ok := strings.CutPrefix(s.Target, a.site.Instances+string(filepath.Separator))
	b.folder, b.name = filepath.Split(rest)
	b.folder = strings.TrimSuffix(b.folder, string(filepath.Separator))
	if !ok || filepath.Clean(s.Target) != s.Target || b.folder == "" || b.name == "" || strings.ContainsRune(b.folder, filepath.Separator) {
		return b, refuse(s, "it is not a log in a folder of "+a.site.Instances)
	}
	if b.method != Collapse && b.method != Punch && b.method != Rename {
		return b, refuse(s, fmt.Sprintf("unknown method %q", b.method))
	}
	if s.Assumes[seenFile] == "" || s.Assumes[seenWriters] == "" {
		return b, refuse(s, "it assumes no file or no writers")
	}
	if b.archive = s.Args[argArchive] != ""; s.Args[argArchive] != a.site.Archive.Dir {
		return b, refuse(s, fmt.Sprintf("its archive is %q, that of this host %q", s.Args[argArchive], a.site.Archive.Dir))
	}
	return b, b.numbers()
}

func (b *bound) numbers() (err error) {
	var errs [2]error
	b.limit, errs[0] = strconv.ParseInt(b.step.Args[argLimit], 10, 64)
	b.keep, errs[1] = strconv.ParseInt(b.step.Args[argKeep], 10, 64)
	if err = errors.Join(errs[:]...); err == nil {
		err = Policy{Limit: b.limit, Keep: b.keep}.withDefaults().valid()
	}
	if err == nil && b.keep < NovaReads {
		err = errors.New("it keeps nothing")
	}
	if err != nil {
		return refuse(b.step, err.Error())
	}
	return nil
}

func refuse(s stackmend.Step, why string) error {
	return fmt.Errorf("%w: consolelog: %s: %s", stackmend.ErrRefused, s, why)
}
