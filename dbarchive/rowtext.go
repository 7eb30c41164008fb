package dbarchive

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A rowText is one row as JSON can hold it: a column is null, its text, or
// base64 if it is not UTF-8.
type rowText map[string]cellText

type cellText struct {
	value []byte // nil: NULL
}

// MarshalJSON writes null, "text" or {"base64": "..."}.
func (c cellText) MarshalJSON() ([]byte, error) {
	switch {
	case c.value == nil:
		return []byte("null"), nil
	case utf8.Valid(c.value):
		return json.Marshal(string(c.value))
	}
	return json.Marshal(map[string]string{"base64": base64.StdEncoding.EncodeToString(c.value)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *cellText) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		c.value = nil
		return nil
	case len(b) > 0 && b[0] == '"':
		var s string
		err := json.Unmarshal(b, &s)
		c.value = []byte(s)
		return err
	}
	var m map[string]string
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	text, ok := m["base64"]
	if !ok || len(m) != 1 {
		return fmt.Errorf("dbarchive: a column is neither text nor base64: %.40s", b)
	}
	v, err := base64.StdEncoding.DecodeString(text)
	c.value = append([]byte{}, v...)
	return err
}

// A rowReader reads rows that were selected by exactColumns, one after another.
// Tens of thousands of API rows are saved, and a map of each costs as much as
// the rest of it.
type rowReader struct {
	names []string
	vals  []sql.RawBytes // until the next row
	dst   []any          // what Rows.Scan wants
	order []int          // of the names
}

func newRowReader(t *Table) *rowReader {
	cols := t.stored()
	r := &rowReader{vals: make([]sql.RawBytes, len(cols))}
	for i, c := range cols {
		r.names, r.dst, r.order = append(r.names, c.Name), append(r.dst, &r.vals[i]), append(r.order, i)
	}
	slices.SortFunc(r.order, func(a, b int) int { return strings.Compare(r.names[a], r.names[b]) })
	return r
}

// value is that of a column; nil if there is none.
func (r *rowReader) value(column string) []byte {
	if i := slices.Index(r.names, column); i >= 0 {
		return r.vals[i]
	}
	return nil
}

// json writes the row as json.Marshal writes a rowText.
func (r *rowReader) json() ([]byte, error) {
	b := append(make([]byte, 0, 512), '{')
	for i, n := range r.order {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = (cellText{[]byte(r.names[n])}).append(b); err != nil {
			return nil, err
		}
		if b, err = (cellText{r.vals[n]}).append(append(b, ':')); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// append appends what MarshalJSON returns. Of plain text that is itself, with
// its quotes and backslashes escaped.
func (c cellText) append(b []byte) ([]byte, error) {
	if c.value == nil || slices.ContainsFunc(c.value, notPlain) {
		text, err := c.MarshalJSON()
		return append(b, text...), err
	}
	b = append(b, '"')
	for rest := c.value; ; {
		i := bytes.IndexAny(rest, `"\\`)
		if i < 0 {
			return append(append(b, rest...), '"'), nil
		}
		b, rest = append(append(b, rest[:i]...), '\\', rest[i]), rest[i+1:]
	}
}

// notPlain are the bytes that JSON, or HTML around it, may need written otherwise.
func notPlain(c byte) bool { return c < ' ' || c > '~' || c == '<' || c == '>' || c == '&' }

// arg is the column as an argument of a statement.
func (c cellText) arg() any {
	if c.value == nil {
		return nil
	}
	return c.value
}

// exact selects a column such that its text is the whole value, whatever the
// connection was told about times and however many digits a float is shown
// with.
func exact(c Column, alias string) string {
	n := alias + "." + quote(c.Name)
	switch c.DataType {
	case "datetime", "timestamp", "date", "time", "year":
		return "CAST(" + n + " AS CHAR)"
	case "float":
		return "CAST(" + n + " AS DOUBLE)"
	}
	return n
}

func exactColumns(t *Table, alias string) string {
	return list(t.stored(), func(c Column) string { return exact(c, alias) }, ",")
}

// placeholders are n groups of "(?,?,...)".
func placeholders(groups, each int) string {
	one := "(" + strings.TrimSuffix(strings.Repeat("?,", each), ",") + ")"
	return strings.TrimSuffix(strings.Repeat(one+",", groups), ",")
}
