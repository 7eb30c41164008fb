package pressure

import "fmt"

// A Controller chooses how hard recovery presses, as a level from 0 to Max: a
// number of backfills of an OSD. It climbs a step after Calm healthy samples
// in a row, halves at a sample that shows trouble, and remembers the lowest
// level that was trouble as a ceiling below which it stays. The ceiling is
// tried again only after Patience healthy samples, and each time that this
// fails the patience doubles: what the cluster cannot bear is tried less and
// less often, so that the level does not swing. After a fall it holds for Deaf
// samples: they may still tell of the level before. It is plain data, without a
// clock: a sample is whatever the caller takes at equal distances, and a climb
// that was interrupted goes on from its JSON form.
type Controller struct {
	Max      int // the highest level; below 1: stays at 0
	Calm     int // 3: healthy samples before a step up
	Patience int // 20: healthy samples below the ceiling before it is tried
	Deaf     int // 3: samples after a fall that are not judged; how late trouble shows

	Level   int
	Ceiling int // a level that was trouble; 0: none yet
	Healthy int // samples in a row
	Tries   int // how often the ceiling was trouble again
	Unheard int // samples that are still not judged
}

// A Sample is what one look at the cluster says. The zero value is not health:
// what was not seen holds the level where it is.
type Sample struct {
	Seen      bool
	Trouble   string // why it is not healthy; empty: it is
	Unsettled string // why it is too early to climb: what happened is not over
}

// Next takes a sample in and returns why the level is what it now is.
func (c *Controller) Next(s Sample) string {
	switch {
	case !s.Seen:
		c.Healthy = 0
		return "held: the cluster was not seen"
	case c.Unheard > 0:
		c.Unheard--
		return "held: what is seen may still be of the level before"
	case s.Trouble != "":
		return c.fall(s.Trouble)
	case s.Unsettled != "":
		c.Healthy = 0
		return "held: " + s.Unsettled
	}
	c.Healthy++
	return c.climb()
}

func (c *Controller) fall(why string) string {
	c.Healthy = 0
	if c.Level == 0 {
		return "held at the lowest: " + why
	}
	if c.Ceiling > 0 && c.Level >= c.Ceiling {
		c.Tries++
	}
	c.Ceiling, c.Level, c.Unheard = c.Level, c.Level/2, or(c.Deaf, 3)
	return fmt.Sprintf("down to %d: %s", c.Level, why)
}

func (c *Controller) climb() string {
	need := or(c.Calm, 3)
	if c.Ceiling > 0 && c.Level+1 >= c.Ceiling {
		need = or(c.Patience, 20) << min(c.Tries, 16)
	}
	switch {
	case c.Level >= c.Max:
		return "held at the highest"
	case c.Healthy < need:
		return "held: not healthy for long enough to go higher"
	}
	c.Level, c.Healthy = c.Level+1, 0
	return fmt.Sprintf("up to %d", c.Level)
}

func or(n, standard int) int {
	if n > 0 {
		return n
	}
	return standard
}
