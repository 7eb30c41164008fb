package dbarchive

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A candidate is an instance that the cut-off qualifies, with the size of its
// tree and why it stays, if so.
type candidate struct {
	id      int64
	at      int // its place on the page: of what follows each other nothing stays
	uuid    string
	host    string
	cleaned bool
	deleted time.Time
	rows    []int64 // by layout.each
	both    []int64
	live    []string // tables with live rows that keep the tree
	bytes   int64
	counted int64 // rows by the plan's count: they are not measured again

	code, why string // why it stays
}

func (c *candidate) total() int64 {
	n := c.counted
	for _, r := range c.rows {
		n += r
	}
	return n
}

func ids(cs []*candidate) string {
	return list(cs, func(c *candidate) string { return strconv.FormatInt(c.id, 10) }, ",")
}

// uuids writes checked UUIDs as SQL.
func uuids(cs []*candidate) string {
	return list(cs, func(c *candidate) string { return "'" + c.uuid + "'" }, ",")
}

var uuidForm = regexp.MustCompile(`^[0-9A-Fa-f-]{32,36}$`)

// A page is a part of a range, read without locks.
type page struct {
	all  []*candidate
	last int64 // where the next page begins after
	done bool
}

// read sees the trees of the next page and judges which of them may go.
func (l *layout) read(ctx context.Context, s *session, r reading) (page, error) {
	p, err := l.roots(ctx, s, r)
	if err == nil {
		err = l.judge(ctx, s, p.all, r)
	}
	return p, err
}

// judge measures trees and decides which of them may go.
func (l *layout) judge(ctx context.Context, s *session, cs []*candidate, r reading) error {
	if err := l.measure(ctx, s, cs, r); err != nil {
		return err
	}
	for _, c := range cs {
		c.judge(r.hosts)
	}
	return nil
}

// roots reads the instances of the next page.
func (l *layout) roots(ctx context.Context, s *session, r reading) (page, error) {
	var p page
	err := s.query(ctx, func(rows *sql.Rows) error {
		c := &candidate{rows: make([]int64, 1+len(l.tree.members)), both: make([]int64, 1+len(l.tree.members))}
		var sec int64
		if err := rows.Scan(&c.id, &c.uuid, &c.host, &c.cleaned, &sec, &c.bytes); err != nil {
			return err
		}
		c.deleted, c.at = time.Unix(sec, 0).UTC(), len(p.all)
		p.all = append(p.all, c)
		return nil
	}, l.candidates(r.before, r.after, r.last, r.limit))
	if err != nil {
		return p, fmt.Errorf("dbarchive: reading instances: %w", err)
	}
	p.done = len(p.all) < r.limit
	p.last = r.last
	if !p.done {
		p.last = p.all[len(p.all)-1].id
	}
	return p, nil
}

// A reading says what to read.
type reading struct {
	before      time.Time
	after, last int64
	limit       int
	copies      copies // look for rows that the destination has already; nil: do not
	hosts       hosts
}

// measure counts the rows of the trees.
func (l *layout) measure(ctx context.Context, s *session, cs []*candidate, r reading) error {
	by := map[string]*candidate{} // by id and by uuid
	var named []*candidate
	for _, c := range cs {
		if uuidForm.MatchString(c.uuid) {
			by[strings.ToLower(c.uuid)], by[strconv.FormatInt(c.id, 10)] = c, c
			named = append(named, c)
		}
	}
	if len(named) == 0 {
		return nil
	}
	err := s.query(ctx, func(rows *sql.Rows) error {
		var table int
		var tree string
		var n, live, bytes, in int64
		if err := rows.Scan(&table, &tree, &n, &live, &bytes, &in); err != nil {
			return err
		}
		c := by[strings.ToLower(tree)] // as the collation compares
		switch {
		case c == nil && l.byID(table):
			return nil // qualifies since the page was read
		case c == nil:
			return fmt.Errorf("%s has rows for an instance %q that is written otherwise in instances", l.nameOf(table), tree)
		}
		if live > 0 {
			c.live = append(c.live, l.nameOf(table))
		}
		if table >= 0 {
			c.rows[table] += n
			c.both[table] += in
			if table > 0 { // the root's bytes came with it
				c.bytes += bytes
			}
		}
		return nil
	}, l.sizes(picked(named, r.before), r.copies))
	if err != nil {
		return fmt.Errorf("dbarchive: measuring trees: %w", err)
	}
	return nil
}

// byID reports whether layout.sizes tells a table's trees by their ids.
func (l *layout) byID(i int) bool { return i == 0 || i > 0 && l.each()[i].keyed }

// nameOf names the table behind a number of layout.sizes.
func (l *layout) nameOf(i int) string {
	if i < 0 {
		return l.tree.blockers[-1-i].table.Name
	}
	return l.each()[i].table.Name
}

// hosts says when a compute host was seen last.
type hosts struct {
	seen    map[string]time.Time
	retired []string
}

// judge decides whether a tree may go. A reason is one of the finding codes.
func (c *candidate) judge(h hosts) {
	slices.Sort(c.live)
	switch {
	case !uuidForm.MatchString(c.uuid):
		c.code, c.why = NotArchivable, "its uuid is not a UUID"
	case len(c.live) > 0:
		c.code, c.why = LiveChild, fmt.Sprintf("rows that are not deleted in %v", c.live)
	case c.host != "" && !slices.Contains(h.retired, c.host) && h.seen[c.host].IsZero():
		c.code, c.why = HostNotSeen, fmt.Sprintf("deleted %s, its host %s has no service record", c.deleted.Format(time.RFC3339), c.host)
	case c.host != "" && !slices.Contains(h.retired, c.host) && h.seen[c.host].Before(c.deleted):
		c.code, c.why = HostNotSeen, fmt.Sprintf("deleted %s, its host %s was last seen %s",
			c.deleted.Format(time.RFC3339), c.host, h.seen[c.host].Format(time.RFC3339))
	}
}

// readHosts reads when nova-compute of each host was last seen, from the
// services and those that were archived.
func (l *layout) readHosts(ctx context.Context, s *session, sc *Schema, retired []string) (hosts, error) {
	h := hosts{seen: map[string]time.Time{}, retired: retired}
	for _, name := range []string{"services", shadowPrefix + "services"} {
		if sc.Tables[name] == nil {
			continue
		}
		err := s.query(ctx, func(r *sql.Rows) error {
			var host string
			var sec int64
			if err := r.Scan(&host, &sec); err != nil {
				return err
			}
			if t := time.Unix(sec, 0).UTC(); t.After(h.seen[host]) {
				h.seen[host] = t
			}
			return nil
		}, fmt.Sprintf("SELECT host, MAX(TIMESTAMPDIFF(SECOND,'1970-01-01',last_seen_up)) FROM %s WHERE `binary`='nova-compute' AND last_seen_up IS NOT NULL AND host IS NOT NULL GROUP BY host",
			qualified(l.source, name)))
		if err != nil {
			return h, fmt.Errorf("dbarchive: reading when hosts were seen: %w", err)
		}
	}
	return h, nil
}

// layout plans how trees of a schema go to a destination.
func (sc *Schema) layout(to Destination) (*layout, []string) {
	t, problems := sc.tree()
	if t == nil {
		return nil, problems
	}
	l := &layout{sc: sc, source: sc.Database, tree: t}
	if !to.outside() {
		l.dest = func(table string) string { return to.table(sc.Database, table) }
	}
	return l, problems
}
