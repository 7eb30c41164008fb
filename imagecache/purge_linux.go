package imagecache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

func lookPurge(ctx context.Context, p *place, s stackmend.Step) (map[string]string, error) {
	id, err := entryOf(s)
	if err != nil {
		return nil, err
	}
	seen, err := p.lookEntry(id)
	if err != nil || seen[seenSize] == "" {
		return seen, err
	}
	if err := p.retained(s, id); err != nil {
		return nil, err
	}
	if seen[seenUsers], err = p.usersText(p.store, id); err != nil {
		return nil, err
	}
	seen[seenReferences], err = p.needed(ctx, nameOf(id))
	return seen, err
}

// nameOf returns the base image's name in an entry's ID.
func nameOf(id string) string { return id[:strings.LastIndexByte(id, '.')] }

// retained refuses to delete before the retention of the plan is over.
func (p *place) retained(s stackmend.Step, id string) error {
	policy, err := policyOf(s.Args)
	if err != nil {
		return refused("%v", err)
	}
	if e := readEntry(p.store, id, p.site.subdir()); time.Since(e.Since) < policy.Retention {
		return refused("%s is in the quarantine since %s, less than %v", id, stamp(e.Since), policy.Retention)
	}
	return nil
}

// doPurge deletes the image and then its manifest: an image without one would
// never be touched again.
func doPurge(ctx context.Context, p *place, s stackmend.Step, _ *stackmend.Work) error {
	id, err := entryOf(s)
	if err != nil {
		return err
	}
	return p.locked(ctx, nameOf(id), func() error {
		if err := verifyPurge(ctx, p, s); err == nil {
			return p.forgetIfAny(id)
		}
		if err := p.holds(ctx, verb{look: lookPurge}, s); err != nil {
			return err
		}
		if err := p.store.unlink(id); err != nil {
			return err
		}
		if err := p.store.sync(); err != nil {
			return fmt.Errorf("%w: %w", stackmend.ErrUncertain, err)
		}
		return p.forget(id)
	})
}

func (p *place) forgetIfAny(id string) error {
	if !p.hasStore {
		return nil
	}
	return p.forget(id)
}

func verifyPurge(_ context.Context, p *place, s stackmend.Step) error {
	id, err := entryOf(s)
	if err != nil {
		return err
	}
	if !p.hasStore {
		return fmt.Errorf("imagecache: the quarantine %s is not there", p.site.Quarantine)
	}
	switch _, err := p.store.stat(id); {
	case err == nil:
		return stackmend.ErrNotDone
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if back, err := hasInode(p.base, nameOf(id), s.Assumes[seenInode]); back || err != nil {
		return errors.Join(err, fmt.Errorf("imagecache: %s was restored, not purged", id))
	}
	return nil
}
