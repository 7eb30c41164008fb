package dbarchive

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// A Schema is what a database says about its tables.
type Schema struct {
	Database string
	Revision string // alembic_version of nova
	Tables   map[string]*Table
	Keys     []ForeignKey
}

// A Table as information_schema describes it.
type Table struct {
	Name       string
	Engine     string
	Rows       int64 // InnoDB's estimate
	Bytes      int64 // data and indexes, InnoDB's estimate
	Columns    []Column
	PrimaryKey []string
	// Indexes maps a column to an index that begins with it.
	Indexes map[string]string
}

// A Column of a table.
type Column struct {
	Name      string
	Type      string // as in "varchar(36)"
	DataType  string // as in "varchar"
	Charset   string
	Nullable  bool
	Generated bool
}

// A ForeignKey of one column, as all of nova's are.
type ForeignKey struct{ Name, Table, Column, RefTable, RefColumn string }

func (t *Table) column(name string) (Column, bool) {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return Column{}, false
	}
	return t.Columns[i], true
}

func (t *Table) has(column string) bool { _, ok := t.column(column); return ok }

// key is the one column of the primary key, or empty.
func (t *Table) key() string {
	if len(t.PrimaryKey) != 1 {
		return ""
	}
	return t.PrimaryKey[0]
}

// stored are the columns that a row is copied by.
func (t *Table) stored() []Column {
	var cs []Column
	for _, c := range t.Columns {
		if !c.Generated {
			cs = append(cs, c)
		}
	}
	return cs
}

const shadowPrefix = "shadow_"

// instances is the root of every tree.
const instances = "instances"

// follows are the tables whose rows go with their instance whatever their own
// deleted column says: nova never marks them.
// https://opendev.org/openstack/nova/src/tag/26.2.2/nova/db/main/api.py (instance_destroy)
var follows = [...]string{"instance_actions", "instance_actions_events"}

// A member is a table whose rows belong to an instance.
type member struct {
	table  *Table
	column string  // of table: what the parent is found by
	parent *member // nil for instances and for the tables found by the instance's uuid
	ref    string  // of the parent: what column holds
	follow bool    // live rows go with their instance
	keyed  bool    // by a foreign key: both columns compare alike
}

func (m *member) index() string { return m.table.Indexes[m.column] }

// A blocker is a table without a shadow, or whose rows outlive the instance
// by design: a row there that names the instance keeps the tree.
type blocker struct {
	table  *Table
	column string
}

// A tree is how the rows of an instance hang together.
type tree struct {
	root     *member
	members  []*member // parents before children, without the root
	blockers []blocker
}

// unkeyed are the tables which belong to an instance without a foreign key.
var unkeyed = [...]struct{ table, column string }{{"instance_id_mappings", "uuid"}}

// outlive are the tables without a foreign key whose rows keep a tree.
var outlive = [...]struct{ table, column string }{{"tags", "resource_id"}, {"pci_devices", "instance_uuid"}}

// tree finds the tables of an instance by the foreign keys. What it cannot
// follow is a problem: then nothing of the cell can be archived.
func (s *Schema) tree() (*tree, []string) {
	root := s.Tables[instances]
	if root == nil {
		return nil, []string{"there is no table instances"}
	}
	t := &tree{root: &member{table: root, column: "uuid"}}
	var problems []string
	for level := []*member{t.root}; len(level) > 0; {
		var next []*member
		for _, p := range level {
			for _, k := range s.children(p.table.Name) {
				m, problem := s.member(p, k)
				switch {
				case problem != "":
					problems = append(problems, problem)
				case s.Tables[shadowPrefix+k.Table] == nil:
					if p != t.root {
						problems = append(problems, fmt.Sprintf("%s refers to %s and has no shadow table", k.Table, p.table.Name))
					}
					t.blockers = append(t.blockers, blocker{m.table, m.column})
				case t.member(k.Table) != nil:
					problems = append(problems, fmt.Sprintf("%s refers to an instance in two ways", k.Table))
				default:
					t.members = append(t.members, m)
					next = append(next, m)
				}
			}
		}
		level = next
	}
	t.addUnkeyed(s)
	return t, append(problems, t.unreachable()...)
}

func (t *tree) addUnkeyed(s *Schema) {
	for _, u := range unkeyed {
		if tab := s.Tables[u.table]; tab != nil && tab.has(u.column) {
			t.members = append(t.members, &member{table: tab, column: u.column, ref: "uuid"})
		}
	}
	for _, u := range outlive {
		if tab := s.Tables[u.table]; tab != nil && tab.has(u.column) {
			t.blockers = append(t.blockers, blocker{tab, u.column})
		}
	}
}

// unreachable names the tables whose rows would be found by a full scan only:
// that would lock rows of live instances.
func (t *tree) unreachable() []string {
	var problems []string
	for _, m := range append([]*member{t.root}, t.members...) {
		if m.index() == "" {
			problems = append(problems, fmt.Sprintf("%s has no index on %s", m.table.Name, m.column))
		}
		if m.table.key() == "" {
			problems = append(problems, fmt.Sprintf("%s has no primary key of one column", m.table.Name))
		}
	}
	for _, b := range t.blockers {
		if b.table.Indexes[b.column] == "" {
			problems = append(problems, fmt.Sprintf("%s has no index on %s", b.table.Name, b.column))
		}
	}
	return problems
}

func (t *tree) member(name string) *member {
	if name == instances {
		return t.root
	}
	i := slices.IndexFunc(t.members, func(m *member) bool { return m.table.Name == name })
	if i < 0 {
		return nil
	}
	return t.members[i]
}

func (s *Schema) children(of string) []ForeignKey {
	var keys []ForeignKey
	for _, k := range s.Keys {
		if k.RefTable == of && k.Table != of {
			keys = append(keys, k)
		}
	}
	return keys
}

func (s *Schema) member(p *member, k ForeignKey) (*member, string) {
	tab := s.Tables[k.Table]
	if tab == nil {
		return nil, fmt.Sprintf("%s refers to %s and was not seen", k.Table, p.table.Name)
	}
	m := &member{table: tab, column: k.Column, ref: k.RefColumn, keyed: true, follow: slices.Contains(follows[:], k.Table)}
	if p.table.Name != instances {
		m.parent = p
	} else if k.RefColumn != "uuid" {
		return nil, fmt.Sprintf("%s refers to instances by %s, not by uuid", k.Table, k.RefColumn)
	}
	return m, ""
}

// drift says how a table and its copy differ in what a row is made of, or is
// empty. Columns may be in another order, and be nullable on one side.
func drift(t, copy *Table) string {
	var d []string
	for _, c := range t.Columns {
		o, ok := copy.column(c.Name)
		switch {
		case !ok:
			d = append(d, fmt.Sprintf("%s lacks %s", copy.Name, c.Name))
		case o.Type != c.Type || o.Charset != c.Charset:
			d = append(d, fmt.Sprintf("%s is %s in %s and %s in %s", c.Name, c.Type+" "+c.Charset, t.Name, o.Type+" "+o.Charset, copy.Name))
		}
	}
	for _, c := range copy.Columns {
		if !t.has(c.Name) {
			d = append(d, fmt.Sprintf("%s has %s more", copy.Name, c.Name))
		}
	}
	if t.key() == "" || !slices.Equal(t.PrimaryKey, copy.PrimaryKey) {
		d = append(d, fmt.Sprintf("primary key (%s) and (%s)", strings.Join(t.PrimaryKey, ","), strings.Join(copy.PrimaryKey, ",")))
	}
	return strings.Join(d, "; ")
}

// fingerprint changes when a table that archiving touches does.
func (s *Schema) fingerprint() string {
	h := sha256.New()
	names := make([]string, 0, len(s.Tables))
	for n := range s.Tables {
		if !strings.HasPrefix(n, statePrefix) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	for _, n := range names {
		t := s.Tables[n]
		fmt.Fprintf(h, "%q %q %q\n", n, t.Engine, t.PrimaryKey)
		for _, c := range t.Columns {
			fmt.Fprintf(h, " %q %q %q %v %v\n", c.Name, c.Type, c.Charset, c.Nullable, c.Generated)
		}
	}
	for _, k := range s.Keys {
		fmt.Fprintf(h, "%q %q %q %q\n", k.Table, k.Column, k.RefTable, k.RefColumn)
	}
	fmt.Fprintf(h, "%q", s.Revision)
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// revisions of nova's main database that this package was written against, by
// the releases that brought them. Others are refused unless the caller says
// that it looked: Selection.Revision.
// https://opendev.org/openstack/nova/src/tag/32.0.0/nova/db/main/migrations/versions
var revisions = map[string]string{
	"8f2f1571d55b": "Wallaby",
	"16f1fbcab42b": "Xena",
	"ccb0fa1a2252": "Zed",
	"1b91788ec3a6": "2023.1",
	"960aac0e09ea": "2023.1",
}
