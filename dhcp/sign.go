package dhcp

import (
	"context"
	"fmt"
	"time"
)

// A Sign is proof that an instance's network works again.
type Sign struct {
	At   time.Time
	What string // for people
}

// A Witness tells of signs of life.
type Witness interface {
	// Sign returns a sign of the client since a time; the zero Sign if it
	// looked and saw none. With lease alone a lease that was taken counts, else
	// other traffic both ways as well. The error says that it could not see.
	Sign(ctx context.Context, m MAC, since time.Time, leaseAlone bool) (Sign, error)
}

// Observe makes a Witness of what reads the logs or captures anew. The
// snapshot must say until when its sides were written.
type Observe func(ctx context.Context) (*Snapshot, error)

// Sign reads the snapshot and looks for signs in it.
func (o Observe) Sign(ctx context.Context, m MAC, since time.Time, leaseAlone bool) (Sign, error) {
	s, err := o(ctx)
	if err != nil {
		return Sign{}, err
	}
	return FindSign(s, m, since, leaseAlone)
}

// FindSign looks for signs of a client in a snapshot. The error says that no
// side was written since then.
func FindSign(s *Snapshot, m MAC, since time.Time, leaseAlone bool) (Sign, error) {
	if !s.until().After(since) {
		return Sign{}, fmt.Errorf("dhcp: nothing was observed since %s", instant(since))
	}
	one := *s
	one.Only = []MAC{m}
	for c := range Converse(&one) {
		if sign := c.lived(since, leaseAlone); !sign.At.IsZero() {
			return sign, nil
		}
	}
	return Sign{}, nil
}

// lived finds a sign in one conversation.
func (c *Conversation) lived(since time.Time, leaseAlone bool) Sign {
	for i := range c.Views {
		v := &c.Views[i]
		if at := v.taken(since, v.end()); !at.IsZero() {
			return Sign{at, "a lease was taken: " + v.Trace.Name}
		}
	}
	for i := range c.Views {
		v := &c.Views[i]
		from, to := v.traffic().LastFrom.Add(v.Offset), v.traffic().LastTo.Add(v.Offset)
		if !leaseAlone && v.Point.Capture() && from.After(since) && to.After(since) {
			return Sign{from, "traffic both ways: " + v.Trace.Name}
		}
	}
	return Sign{}
}

// taken is when the view saw a lease taken: as the client's log says, or as
// an answer after which the client was content for a while.
func (v *View) taken(since, until time.Time) time.Time {
	for i, e := range v.Events {
		if !e.Time.After(since) || e.Kind != Bound && e.Kind != Ack {
			continue
		}
		if v.Point == ClientLog {
			return e.Time
		}
		next := until
		for _, later := range v.Events[i+1:] {
			if later.Kind.Asks() {
				next = later.Time
				break
			}
		}
		if e.Kind == Ack && next.Sub(e.Time) >= patience {
			return e.Time
		}
	}
	return time.Time{}
}
