package stackmend

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"
)

// permit and deny are the short forms of verdicts.
func permit() (Verdict, error) { return Verdict{Decision: Permit}, nil }

func deny(format string, args ...any) (Verdict, error) {
	return Verdict{Decision: Deny, Reason: fmt.Sprintf(format, args...)}, nil
}

// begunSteps counts the steps that were begun, in this run or in the
// interrupted one that it resumes; in a dry run those that would be.
func (r Request) begunSteps() (n int, total Cost) {
	for _, list := range [][]Outcome{r.Running, r.Outcomes} {
		for _, o := range list {
			if o.State == Stale || o.State == Refused {
				continue
			}
			n++
			total = total.plus(o.Step.Cost)
		}
	}
	return n, total
}

func (c Cost) plus(d Cost) Cost {
	return Cost{add(c.Rows, d.Rows), add(c.Bytes, d.Bytes), add(c.Instances, d.Instances)}
}

// add stops at the largest number: a sum that went around would look small.
func add(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func (c Cost) negative() bool { return c.Rows < 0 || c.Bytes < 0 || c.Instances < 0 }

// MaxSteps permits the first n steps of a plan, over all resumes, and denies
// the others.
func MaxSteps(n int) Guard {
	return GuardFunc(fmt.Sprintf("max-steps %d", n), func(_ context.Context, r Request) (Verdict, error) {
		if begun, _ := r.begunSteps(); begun >= n {
			return deny("%d steps were begun, %d are permitted", begun, n)
		}
		return permit()
	})
}

// MaxShare permits steps until they touch more than percent of what exists, in
// rows, bytes or instances. Where a step has a cost and the plan does not say
// how much exists, and where nothing at all is said to exist, it denies.
func MaxShare(percent float64) Guard {
	return GuardFunc(fmt.Sprintf("max-share %g%%", percent), func(_ context.Context, r Request) (Verdict, error) {
		_, begun := r.begunSteps()
		c, all := begun.plus(r.Step.Cost), r.Plan.Exists
		switch {
		case all == (Cost{}):
			return deny("the plan does not say how much exists")
		case r.Step.Cost.negative() || begun.negative():
			return deny("a cost is below zero")
		}
		for _, k := range []struct {
			unit     string
			part, of int64
		}{{"rows", c.Rows, all.Rows}, {"bytes", c.Bytes, all.Bytes}, {"instances", c.Instances, all.Instances}} {
			if k.part == 0 {
				continue
			}
			if share := 100 * float64(k.part) / float64(k.of); k.of <= 0 || !(share <= percent) {
				return deny("%d of %d %s, %g%% are permitted", k.part, k.of, k.unit, percent)
			}
		}
		return permit()
	})
}

// KillSwitch denies as soon as a file exists at path, and whenever that cannot
// be told: an empty path, a directory that is gone or may not be read.
func KillSwitch(path string) Guard {
	return GuardFunc("kill-switch "+path, func(context.Context, Request) (Verdict, error) {
		if path == "" {
			return deny("no path was given")
		}
		_, err := os.Lstat(path)
		switch {
		case err == nil:
			return deny("%s exists", path)
		case !errors.Is(err, os.ErrNotExist):
			return Verdict{}, err
		}
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return Verdict{}, err
		}
		return permit()
	})
}

// Window permits between two times of day, counted from midnight on the clock
// of loc, and makes steps wait for it otherwise. From 22h to 4h goes over
// midnight. A window without length or place denies.
func Window(from, to time.Duration, loc *time.Location) Guard {
	const day = 24 * time.Hour
	name := fmt.Sprintf("window %v-%v", from, to)
	return GuardFunc(name, func(context.Context, Request) (Verdict, error) {
		if loc == nil || from == to || min(from, to) < 0 || max(from, to) > day {
			return deny("the window %v to %v in %v is not one", from, to, loc)
		}
		now := time.Now().In(loc)
		h, m, s := now.Clock()
		at := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
		if inside := from <= at && at < to; inside || from > to && (at >= from || at < to) {
			return permit()
		}
		wait := untilClock(now, (from-at+day)%day)
		return Verdict{Wait, fmt.Sprintf("it is %s, the window opens in %v", now.Format(time.TimeOnly), wait), wait}, nil
	})
}

// untilClock says how long it really takes until the clock shows d more than
// now: an hour less or more if the clocks are changed in between. It is at
// least a second, for a window that opens in the hour that is left out.
func untilClock(now time.Time, d time.Duration) time.Duration {
	_, before := now.Zone()
	_, after := now.Add(d).Zone()
	return max(d-time.Duration(after-before)*time.Second, time.Second)
}

// Pace permits n steps to begin in any time of length per, and makes others
// wait.
func Pace(n int, per time.Duration) Guard {
	return GuardFunc(fmt.Sprintf("pace %d/%v", n, per), func(_ context.Context, r Request) (Verdict, error) {
		if n <= 0 || per <= 0 {
			return deny("a pace of %d in %v permits nothing", n, per)
		}
		if r.Begun {
			return permit()
		}
		now, recent, oldest := time.Now(), 0, time.Time{}
		for _, list := range [][]Outcome{r.Running, r.Outcomes} {
			for _, o := range list {
				if o.State == Stale || o.State == Refused || now.Sub(o.Started) >= per {
					continue
				}
				if recent++; oldest.IsZero() || o.Started.Before(oldest) {
					oldest = o.Started
				}
			}
		}
		if recent < n {
			return permit()
		}
		return Verdict{Wait, fmt.Sprintf("%d steps began in the last %v", recent, per), oldest.Add(per).Sub(now)}, nil
	})
}
