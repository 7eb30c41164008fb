package dbarchive

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A layout knows where the rows of a cell's trees are and where they go, and
// writes the statements. Everything variable in a statement is a number, a
// time or a checked UUID: no text of a row ever becomes SQL.
type layout struct {
	sc     *Schema
	source string // the cell's database
	tree   *tree
	dest   func(table string) string // qualified name of the copy; nil: outside of the server
}

// destinationTable returns where the rows of a table go within the server.
func (d Destination) table(source, table string) string {
	if d.Schema != "" {
		return qualified(d.Schema, table)
	}
	return qualified(source, shadowPrefix+table)
}

// each calls f for the root and all members, parents first.
func (l *layout) each() []*member { return append([]*member{l.tree.root}, l.tree.members...) }

// from joins a member, as t, up to the table whose column holds the
// instance's uuid. Every table is reached by an index that is named: a full
// scan would stop at the rows of live instances that others hold locked.
func (l *layout) from(m *member) (from, uuid string) {
	return l.after(m, "")
}

// A pick names trees in the ways in which statements find their rows. What only
// reads may say them as a range, for a server looks at every item of a list; what
// deletes locks the rows that it looks at, and must not look at others.
type pick struct {
	ids, uuids string
	span       string // of ids, and what they have in common; empty: they are too far apart
}

// sparse is how many ids per tree a range may have.
const sparse = 4

func picked(cs []*candidate, before time.Time) pick {
	p := pick{ids: ids(cs), uuids: uuids(cs)}
	first, last := cs[0], cs[len(cs)-1]
	if last.at-first.at == len(cs)-1 && last.id-first.id < sparse*int64(len(cs)) {
		p.span = fmt.Sprintf("%%[1]s.id BETWEEN %d AND %d AND %s", first.id, last.id, qualifiesAs("%[1]s", before))
	}
	return p
}

// of selects the trees by the alias of instances.
func (p pick) of(alias string) string {
	if p.span == "" {
		return alias + ".id IN (" + p.ids + ")"
	}
	return fmt.Sprintf(p.span, alias)
}

// listed is the pick for what locks.
func (p pick) listed() pick { p.span = ""; return p }

// reach is from, with the condition that selects trees, for statements that
// only read the member. Where foreign keys lead on it begins at the primary key
// of instances: a lookup for each tree costs less than a list of strings that
// every row is compared with.
func (l *layout) reach(m *member, p pick) (from, uuid, where string) {
	root := func(alias string) string {
		return fmt.Sprintf("%s AS %s FORCE INDEX (PRIMARY)", qualified(l.source, instances), alias)
	}
	switch {
	case m == l.tree.root:
		return root("t"), "t.uuid", p.of("t")
	case m.keyed:
		from, _ = l.after(m, root("r"))
		return from, "r.uuid", p.of("r")
	}
	from, uuid = l.from(m)
	return from, uuid, uuid + " IN (" + p.uuids + ")"
}

// after joins a member to head, which has instances as r, or begins anew.
func (l *layout) after(m *member, head string) (from, uuid string) {
	chain := []*member{m}
	for p := m.parent; p != nil; p = p.parent {
		chain = append(chain, p)
	}
	slices.Reverse(chain)
	alias := func(i int) string {
		if i == len(chain)-1 {
			return "t"
		}
		return "p" + strconv.Itoa(i)
	}
	uuid = alias(0) + "." + quote(chain[0].column)
	if from = head; head != "" {
		from += " STRAIGHT_JOIN "
	}
	for i, c := range chain {
		if i > 0 {
			from += " STRAIGHT_JOIN "
		}
		from += fmt.Sprintf("%s AS %s FORCE INDEX (%s)", qualified(l.source, c.table.Name), alias(i), quote(c.index()))
		switch {
		case i == 0 && head != "":
			from += " ON " + uuid + "=r.uuid"
		case i > 0:
			from += fmt.Sprintf(" ON %s.%s=%s.%s", alias(i), quote(c.column), alias(i-1), quote(c.ref))
		}
	}
	return from, uuid
}

// dead selects, of t, the rows that go with their instance.
func (m *member) dead() string {
	switch {
	case m.follow:
		return ""
	case m.table.has("deleted"):
		return " AND IFNULL(t.deleted,0)<>0"
	}
	return " AND FALSE"
}

func columns(t *Table, alias string) string {
	var b strings.Builder
	for i, c := range t.stored() {
		if i > 0 {
			b.WriteByte(',')
		}
		if alias != "" {
			b.WriteString(alias + ".")
		}
		b.WriteString(quote(c.Name))
	}
	return b.String()
}

// copy inserts the rows of trees into the destination. With merge, rows that
// are there already are left to the comparison.
func (l *layout) copy(m *member, p pick, merge bool) string {
	from, _, where := l.reach(m, p)
	dest, key := l.dest(m.table.Name), quote(m.table.key())
	q := fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s", dest, columns(m.table, ""), columns(m.table, "t"), from)
	if merge {
		q += fmt.Sprintf(" LEFT JOIN %s AS c ON c.%s=t.%s", dest, key, key)
	}
	q += " WHERE " + where + m.dead()
	if merge {
		q += fmt.Sprintf(" AND c.%s IS NULL", key)
	}
	return q
}

// remove deletes the rows whose copy is the same, byte for byte. It is the
// verification: as many rows must go as were copied, or nothing is committed.
// Where it can be, the table is the first of the join, so that rows are deleted
// as they are read.
func (l *layout) remove(m *member, p pick) string {
	from, uuid := l.from(m)
	where := uuid + " IN (" + p.uuids + ")"
	if m == l.tree.root || m.parent != nil {
		from, _, where = l.reach(m, p.listed())
	}
	return fmt.Sprintf("DELETE t FROM %s STRAIGHT_JOIN %s AS c FORCE INDEX (PRIMARY) ON c.%[3]s=t.%[3]s WHERE %s%s AND %s",
		from, l.dest(m.table.Name), quote(m.table.key()), where, m.dead(), same(m.table, "t", "c"))
}

func (l *layout) count(m *member, p pick) string {
	from, _, where := l.reach(m, p)
	return fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE %s%s", from, where, m.dead())
}

// same compares every column of two rows. Text is compared as bytes, for most
// collations find different texts equal. One side that is binary makes the
// comparison binary; CONVERT, unlike CAST, also of what is longer than
// max_allowed_packet.
func same(t *Table, a, b string) string {
	return list(t.stored(), func(c Column) string {
		n := quote(c.Name)
		if c.Charset == "" { // neither has a collation
			return fmt.Sprintf("%s.%s<=>%s.%s", a, n, b, n)
		}
		return fmt.Sprintf("%s.%s<=>CONVERT(%s.%s USING binary)", a, n, b, n)
	}, " AND ")
}

func isLong(c Column) bool {
	return strings.HasSuffix(c.DataType, "text") || strings.HasSuffix(c.DataType, "blob") || c.DataType == "json"
}

// rowOverhead stands for all the short columns of a row when bytes are
// counted; the long ones are measured.
const rowOverhead = 128

func bytesOf(t *Table) string {
	sum := strconv.Itoa(rowOverhead)
	for _, c := range t.stored() {
		if isLong(c) {
			sum += fmt.Sprintf("+IFNULL(LENGTH(t.%s),0)", quote(c.Name))
		}
	}
	return sum
}

// candidates selects the next trees that the cut-off qualifies.
func (l *layout) candidates(before time.Time, after, last int64, limit int) string {
	return fmt.Sprintf(`SELECT t.id, t.uuid, IFNULL(t.host,''), IFNULL(t.cleaned,0), TIMESTAMPDIFF(SECOND,'1970-01-01',t.deleted_at), %s
		FROM %s AS t FORCE INDEX (PRIMARY) WHERE t.id>%d AND t.id<=%d AND %s ORDER BY t.id LIMIT %d`,
		bytesOf(l.tree.root.table), qualified(l.source, instances), after, last, qualifies(before), limit)
}

// qualifies is the condition for a tree's root. It is asserted again, under a
// lock, in the transaction that moves the tree.
func qualifies(before time.Time) string { return qualifiesAs("t", before) }

func qualifiesAs(alias string, before time.Time) string {
	return fmt.Sprintf("%[1]s.deleted<>0 AND %[1]s.deleted_at<'%[2]s'", alias, before.UTC().Format(time.DateTime))
}

// lockRoots locks those of the given instances that still qualify.
func (l *layout) lockRoots(before time.Time, ids string) string {
	return fmt.Sprintf("SELECT t.id FROM %s AS t FORCE INDEX (PRIMARY) WHERE t.id IN (%s) AND %s FOR UPDATE",
		qualified(l.source, instances), ids, qualifies(before))
}

// sizes counts, for the given instances (by their id, or where no foreign key
// leads to them by their uuid) and every member and blocker: rows that
// go, rows that are alive, bytes, and where the copies are known, rows whose key
// the destination has.
func (l *layout) sizes(p pick, there copies) string {
	var parts []string
	for i, m := range l.each() {
		from, uuid, where := l.reach(m, p)
		if m == l.tree.root || m.keyed {
			uuid = strings.TrimSuffix(uuid, "uuid") + "id" // in the order of the join
		}
		live, in := "0", "0"
		switch {
		case m.follow || m == l.tree.root:
		case m.table.has("deleted"):
			live = "SUM(IFNULL(t.deleted,0)=0)"
		default:
			live = "COUNT(*)"
		}
		if keys, ok := there[m]; ok {
			key := quote(m.table.key())
			from += fmt.Sprintf(" LEFT JOIN %s AS c ON c.%[2]s=t.%[2]s AND t.%[2]s BETWEEN %d AND %d", l.dest(m.table.Name), key, keys.first, keys.last)
			in = fmt.Sprintf("COUNT(c.%s)", key)
		}
		parts = append(parts, fmt.Sprintf("SELECT %d, %s, COUNT(*), %s, SUM(%s), %s FROM %s WHERE %s GROUP BY %s",
			i, uuid, live, bytesOf(m.table), in, from, where, uuid))
	}
	for i, b := range l.tree.blockers {
		live := ""
		if b.table.has("deleted") {
			live = " AND IFNULL(t.deleted,0)=0"
		}
		col := "t." + quote(b.column)
		parts = append(parts, fmt.Sprintf("SELECT %d, %s, 0, COUNT(*), 0, 0 FROM %s AS t FORCE INDEX (%s) WHERE %s IN (%s)%s GROUP BY %s",
			-1-i, col, qualified(l.source, b.table.Name), quote(b.table.Indexes[b.column]), col, p.uuids, live, col))
	}
	return strings.Join(parts, " UNION ALL ")
}

// blocked asks, of each blocker and of each member without a foreign key,
// whether a row that stays still names one of the instances. Nothing but this
// look keeps it from being left behind.
func (l *layout) blocked(uuids string) string {
	stay := slices.Clone(l.tree.blockers)
	for _, m := range l.tree.members {
		if !m.keyed && m.parent == nil {
			stay = append(stay, blocker{m.table, m.column})
		}
	}
	if len(stay) == 0 {
		return "SELECT 0"
	}
	return "SELECT " + list(stay, func(b blocker) string {
		live := ""
		if b.table.has("deleted") {
			live = " AND IFNULL(t.deleted,0)=0"
		}
		return fmt.Sprintf("EXISTS (SELECT 1 FROM %s AS t FORCE INDEX (%s) WHERE t.%s IN (%s)%s)",
			qualified(l.source, b.table.Name), quote(b.table.Indexes[b.column]), quote(b.column), uuids, live)
	}, "+")
}

// shape is a statement without rows whose columns are those of the given
// members and their copies. Within a transaction it also keeps these tables as
// they are until the end: a column that was added since would be lost.
func (l *layout) shape(members []*member) string {
	i := 0
	return "SELECT * FROM " + list(members, func(m *member) string {
		i++
		if l.dest == nil {
			return fmt.Sprintf("%s AS s%d", qualified(l.source, m.table.Name), i)
		}
		return fmt.Sprintf("%s AS s%d, %s AS d%d", qualified(l.source, m.table.Name), i, l.dest(m.table.Name), i)
	}, ", ") + " WHERE FALSE"
}

// list joins what text makes of every item.
func list[T any](items []T, text func(T) string, sep string) string {
	var b strings.Builder
	for i, it := range items {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(text(it))
	}
	return b.String()
}
