package dbarchive

import "time"

// Limits bound one transaction. Zero values are the defaults.
type Limits struct {
	Target time.Duration // how long a transaction should take; 500 ms
	Rows   int64         // 10,000
	Bytes  int64         // 8 MiB
}

const (
	defaultRows  = 10_000
	defaultBytes = 8 << 20
)

func (l Limits) withDefaults() Limits {
	if l.Target <= 0 {
		l.Target = 500 * time.Millisecond
	}
	if l.Rows <= 0 {
		l.Rows = defaultRows
	}
	if l.Bytes <= 0 {
		l.Bytes = defaultBytes
	}
	return l
}

// within tightens the limits to what a Galera write-set may hold. A moved row
// is in it twice, as written and as deleted, with its keys.
func (l Limits) within(s Server) Limits {
	if !s.Galera {
		return l
	}
	if s.MaxWSRows > 0 {
		l.Rows = min(l.Rows, max(1, s.MaxWSRows/2))
	}
	if s.MaxWSSize > 0 {
		l.Bytes = min(l.Bytes, max(1, s.MaxWSSize/4))
	}
	return l
}

// firstRows is what the first transaction moves: what comes after depends on
// how long it took.
const firstRows = 200

// A pace adapts the rows of a transaction to the time it should take.
type pace struct {
	limits Limits
	rows   float64
}

func newPace(l Limits) *pace {
	return &pace{l, min(firstRows, float64(l.Rows))}
}

// pace goes on as fast as the last step of the cell ended.
func (c *cellWork) pace(l Limits) *pace {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := newPace(l)
	if c.rows > 0 {
		p.rows = min(c.rows, float64(l.Rows))
	}
	return p
}

func (c *cellWork) learn(p *pace) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = p.rows
}

// took learns from a transaction. It grows by half at most, and shrinks at
// once.
func (p *pace) took(rows int64, d time.Duration) {
	if rows < 1 {
		return
	}
	fit := float64(rows) * float64(p.limits.Target) / float64(max(d, time.Millisecond))
	p.rows = max(1, min(fit, p.rows*1.5, float64(p.limits.Rows)))
}

// failed halves the next transaction: somebody was in the way.
func (p *pace) failed() { p.rows = max(1, p.rows/2) }

// cut takes the next trees from a page: whole ones, as many as rows and bytes
// allow. One that is larger than that alone goes alone.
func (p *pace) cut(cs []*candidate) (chunk, rest []*candidate) {
	var rows, bytes int64
	for i, c := range cs {
		rows, bytes = rows+c.total(), bytes+c.bytes
		if i > 0 && (float64(rows) > p.rows || bytes > p.limits.Bytes) {
			return cs[:i], cs[i:]
		}
	}
	return cs, nil
}
