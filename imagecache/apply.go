package imagecache

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// An Applier carries out the steps of all four plans. It is safe for
// concurrent use.
type Applier struct {
	site  Site
	fleet FleetReader
}

var (
	_ stackmend.Applier  = (*Applier)(nil)
	_ stackmend.Reverter = (*Applier)(nil)
)

// NewApplier returns an Applier for the site. The fleet is asked again before
// every quarantine and purge; without one they are denied, while restore and
// rescue work. The error is compatible with errors.Is(err,
// errors.ErrUnsupported) on systems other than Linux.
func NewApplier(site Site, fleet FleetReader) (*Applier, error) {
	if err := site.Validate(); err != nil {
		return nil, err
	}
	if err := supported(); err != nil {
		return nil, err
	}
	return &Applier{site, fleet}, nil
}

// Guards implements stackmend.Applier.
func (a *Applier) Guards() []stackmend.Guard {
	return []stackmend.Guard{stackmend.GuardFunc("accounted", a.accounted)}
}

// accounted denies to take anything away while a host that may need it cannot
// be accounted for. Putting back is always permitted.
func (a *Applier) accounted(ctx context.Context, r stackmend.Request) (stackmend.Verdict, error) {
	name := r.Step.Target
	switch r.Step.Verb {
	case VerbRestore, VerbRescue:
		return stackmend.Verdict{Decision: stackmend.Permit, Reason: "puts an image back"}, nil
	case VerbQuarantine:
	case VerbPurge:
		name = name[:max(0, strings.LastIndexByte(name, '.'))]
	default:
		return deny("verb %q is not known", r.Step.Verb), nil
	}
	p, err := policyOf(r.Step.Args)
	if err != nil {
		return deny("%v", err), nil
	}
	if a.fleet == nil {
		return deny("nova cannot be asked which computes and servers exist"), nil
	}
	f, err := a.fleet.Fleet(ctx)
	if err != nil {
		return stackmend.Verdict{Decision: stackmend.Wait, Reason: "nova cannot be asked: " + err.Error(), RetryAfter: 10 * time.Second}, nil
	}
	return a.judge(ctx, name, f, p)
}

// judge decides on the lists just taken and the directory as it is now.
func (a *Applier) judge(ctx context.Context, name string, f Fleet, p Policy) (stackmend.Verdict, error) {
	root, err := openFolder(a.site.Dir)
	if err != nil {
		return stackmend.Verdict{}, err
	}
	defer root.close()
	dirs, err := listDirs(root)
	if err != nil {
		return stackmend.Verdict{}, err
	}
	c := census{time.Now(), readRegistry(ctx, root), &f, dirs}
	if gaps := c.gaps(p); len(gaps) > 0 {
		return deny("%d reasons, the first: %s", len(gaps), gaps[0]), nil
	}
	if v, ok := newUses(&Snapshot{Fleet: &f}).servers[imageHash(name)]; ok {
		return deny("server %s was made of image %s", v.ID, v.Image), nil
	}
	return stackmend.Verdict{Decision: stackmend.Permit, Reason: fmt.Sprintf("%d computes and %d servers accounted for", len(f.Services), len(f.Servers))}, nil
}

func deny(format string, a ...any) stackmend.Verdict {
	return stackmend.Verdict{Decision: stackmend.Deny, Reason: fmt.Sprintf(format, a...)}
}

// Recheck implements stackmend.Applier.
func (a *Applier) Recheck(ctx context.Context, s stackmend.Step) error {
	return a.at(s, false, func(p *place, v verb) error { return p.holds(ctx, v, s) })
}

// Do implements stackmend.Applier. Quarantine, restore and purge hold nova's
// own lock on the image.
func (a *Applier) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	return a.at(s, true, func(p *place, v verb) error { return v.do(ctx, p, s, w) })
}

// Verify implements stackmend.Applier.
func (a *Applier) Verify(ctx context.Context, s stackmend.Step) error {
	return a.at(s, false, func(p *place, v verb) error { return v.verify(ctx, p, s) })
}

// Revert implements stackmend.Reverter: it moves a quarantined image back. A
// step that is not in effect needs no undoing; what other verbs did is kept.
func (a *Applier) Revert(ctx context.Context, s stackmend.Step) error {
	return a.at(s, false, func(p *place, v verb) error {
		if s.Verb == VerbQuarantine {
			return p.unquarantine(ctx, s)
		}
		err := v.verify(ctx, p, s)
		if err == nil {
			return fmt.Errorf("imagecache: %s is not undone by a revert: %w", s, stackmend.ErrRefused)
		}
		return notDoneIsNil(err)
	})
}

// at opens the directories and finds the verb.
func (a *Applier) at(s stackmend.Step, make bool, f func(*place, verb) error) error {
	v, ok := verbOf(s.Verb)
	if !ok {
		return fmt.Errorf("imagecache: verb %q is not known: %w", s.Verb, stackmend.ErrRefused)
	}
	for _, key := range v.assumes {
		if s.Assumes[key] == "" {
			return refused("%s does not say what %s it assumes", s, key)
		}
	}
	p, err := a.open(s, make)
	if err != nil {
		return err
	}
	defer p.close()
	return f(p, v)
}

func refused(format string, a ...any) error {
	return fmt.Errorf("imagecache: %s: %w", fmt.Sprintf(format, a...), stackmend.ErrRefused)
}

// facts are what is seen of a file, as steps assume it.
func facts(i fileInfo) map[string]string {
	return map[string]string{
		seenInode: strconv.FormatUint(i.Ino, 10), seenSize: strconv.FormatInt(i.Size, 10), seenMtime: stamp(i.ModTime),
	}
}
