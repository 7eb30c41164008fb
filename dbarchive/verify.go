package dbarchive

import (
	"context"
	"fmt"

	"github.com/stackmend/stackmend"
)

// verifyArchive looks for trees of the range that may go and are still there,
// and for API rows of the range that are still to be cleared.
func (a *Applier) verifyArchive(ctx context.Context, s stackmend.Step, sess *session) error {
	r, err := parse(s)
	if err != nil {
		return err
	}
	sc, err := a.known(ctx, s, sess)
	if err != nil {
		return err
	}
	l, problems := sc.layout(r.to)
	if len(problems) > 0 {
		return fmt.Errorf("%w: dbarchive: %v", stackmend.ErrRefused, problems)
	}
	h, err := l.readHosts(ctx, sess, sc, r.retired)
	if err != nil {
		return err
	}
	for after, done := r.first-1, false; !done; {
		p, err := l.read(ctx, sess, reading{before: r.before, after: after, last: r.last, limit: pageSize, hosts: h})
		if err != nil {
			return err
		}
		if left := movable(p.all); len(left) > 0 {
			return a.left(s, left)
		}
		after, done = p.last, p.done
	}
	if err := sess.undropped(ctx, sc.Database, r); err != nil || !r.api {
		return err
	}
	return pending(ctx, sess, sc.Database, r)
}

// left says what is still there, and why if that is known.
func (a *Applier) left(s stackmend.Step, cs []*candidate) error {
	aside := a.SetAside()
	for _, c := range cs {
		if why, ok := aside[s.Args["cell"]+"/"+c.uuid]; ok {
			return fmt.Errorf("%w: instance %s was set aside: %s", stackmend.ErrNotDone, c.uuid, why)
		}
	}
	return fmt.Errorf("%w: instance %s and others are still in %s", stackmend.ErrNotDone, cs[0].uuid, instances)
}

func pending(ctx context.Context, sess *session, schema string, r rangeOf) error {
	var n int64
	err := sess.row(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE state=%d AND instance_id BETWEEN %d AND %d",
		openRows, qualified(schema, apiRowsTable), apiToClear, r.first, r.last), nil, &n)
	switch {
	case missingTable(err):
		return fmt.Errorf("%w: there is no table %s", stackmend.ErrNotDone, apiRowsTable)
	case err != nil:
		return err
	case n > 0:
		return fmt.Errorf("%w: %d API rows of archived instances are still to be cleared", stackmend.ErrNotDone, n)
	}
	return nil
}
