package imagecache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/stackmend/stackmend"
)

func verbOf(name string) (verb, bool) {
	switch name {
	case VerbQuarantine:
		return verb{[]string{seenInode, seenSize, seenMtime, seenReferences, seenUsers, seenTarget}, lookQuarantine, doQuarantine, verifyQuarantine}, true
	case VerbRestore:
		return verb{[]string{seenInode, seenSize, seenTarget}, lookRestore, doRestore, verifyRestore}, true
	case VerbPurge:
		return verb{[]string{seenInode, seenSize, seenReferences, seenUsers, seenSince}, lookPurge, doPurge, verifyPurge}, true
	case VerbRescue:
		return verb{[]string{seenInode, seenSize, seenTarget}, lookRescue, doRescue, verifyRescue}, true
	}
	return verb{}, false
}

// locked calls f with nova's lock on the image held.
func (p *place) locked(ctx context.Context, name string, f func() error) error {
	if !isBaseName(name) {
		return refused("%q is no name of a base image", name)
	}
	l, err := lockImage(ctx, p.root, name)
	if err != nil {
		return err
	}
	defer l.release()
	return f()
}

// entryOf returns the name of the step's image in the quarantine.
func entryOf(s stackmend.Step) (string, error) {
	id := s.Args[argEntry]
	if !isEntryID(id) || s.Verb == VerbPurge && id != s.Target || s.Verb != VerbPurge && !strings.HasPrefix(id, s.Target+".") {
		return "", refused("the step names %q as the entry of %q", id, s.Target)
	}
	return id, nil
}

// usersText says who has the file open, as steps assume it.
func (p *place) usersText(dir folder, name string) (string, error) {
	h := findHolders(p.site.proc(), p.site.subdir(), p.dev)
	users, err := usersOf(dir, name, h, true)
	if err != nil {
		return "", refused("who has %s open cannot be seen: %v", name, err)
	}
	if len(users) == 0 {
		return none, nil
	}
	return strings.Join(users, ", "), nil
}

// where says which of the two directories has the step's file, by its inode;
// both, if a move by link was interrupted. Neither is an error.
func (p *place) where(s stackmend.Step, name, id string) (inBase, inStore bool, err error) {
	inBase, err = hasInode(p.base, name, s.Assumes[seenInode])
	if err == nil && p.hasStore {
		inStore, err = hasInode(p.store, id, s.Assumes[seenInode])
	}
	if err == nil && !inBase && !inStore {
		err = fmt.Errorf("imagecache: %s with inode %s is neither in %s nor in %s", name, s.Assumes[seenInode], p.site.baseDir(), p.site.Quarantine)
	}
	return inBase, inStore, err
}

func hasInode(f folder, name, inode string) (bool, error) {
	i, err := f.stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && i.regular() && facts(i)[seenInode] == inode, err
}
