package ceph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Commander puts a command to a daemon of the cluster.
//
// The answer is complete when Read has returned [io.EOF]. A command that the
// daemon refused, that was lost, or that ran into the context's deadline ends
// in a [*CommandError], from Command itself or from Read, after whatever was
// answered nonetheless: `osd ok-to-stop` says no with an error and a body. The
// caller closes the answer.
//
// Command never outlives its context: where the daemon hangs it returns when
// ctx ends, with an error that is [stackmend.ErrUncertain], for nobody knows
// whether the command was carried out. The Commanders of this package may be
// used by several goroutines at a time.
type Commander interface {
	Command(ctx context.Context, c Command) (io.ReadCloser, error)
}

// Kind is the kind of daemon that a command is put to.
type Kind uint8

// The kinds. The zero value is none, and is refused.
const (
	_       Kind = iota
	KindMon      // any monitor
	KindMgr      // the active manager
	KindOSD      // the OSD that Target.ID names
	KindPG       // the primary of the placement group that Target.ID names
)

// A Target is whom a command is put to.
type Target struct {
	Kind Kind
	ID   string // "3" of osd.3, "2.1f" of a placement group
}

// ToOSD is the target osd.id.
func ToOSD(id int) Target { return Target{KindOSD, strconv.Itoa(id)} }

// ToPG is the placement group with this id.
func ToPG(pgid string) Target { return Target{KindPG, pgid} }

func (t Target) String() string {
	switch t.Kind {
	case KindMon:
		return "mon"
	case KindMgr:
		return "mgr"
	case KindOSD:
		return "osd." + t.ID
	case KindPG:
		return "pg " + t.ID
	}
	return "nobody"
}

// valid refuses a target that could be read as something else.
func (t Target) valid() error {
	switch t.Kind {
	case KindMon, KindMgr:
		if t.ID != "" {
			return fmt.Errorf("ceph: the %s takes no id, %q was given", t, t.ID)
		}
		return nil
	case KindOSD:
		if n, err := strconv.Atoi(t.ID); err != nil || n < 0 || strconv.Itoa(n) != t.ID {
			return fmt.Errorf("ceph: %q is not the number of an OSD", t.ID)
		}
		return nil
	case KindPG:
		if !validPGID(t.ID) {
			return fmt.Errorf("ceph: %q is not the id of a placement group", t.ID)
		}
		return nil
	}
	return errors.New("ceph: a command without a target")
}

// validPGID accepts POOL.HASH with an optional shard, as in 2.1f and 3.0s2.
func validPGID(id string) bool {
	pool, hash, ok := strings.Cut(id, ".")
	if !ok {
		return false
	}
	hash, shard, sharded := strings.Cut(hash, "s")
	_, err1 := strconv.ParseUint(pool, 10, 63)
	_, err2 := strconv.ParseUint(hash, 16, 32)
	var err3 error
	if sharded {
		_, err3 = strconv.ParseUint(shard, 10, 8)
	}
	return err1 == nil && err2 == nil && err3 == nil
}

// A Command is one command of Ceph: `osd ok-to-stop` with its ids.
type Command struct {
	To     Target
	Prefix string // its words: "osd ok-to-stop"
	Args   []Arg  // in the order of the command line
	Text   bool   // asked for as text; otherwise as JSON
}

// An Arg is a named argument. Value is a string, an int, a float64, a bool, a
// []string or an Injection.
type Arg struct {
	Name  string
	Value any
}

// String is the command as people write it.
func (c Command) String() string {
	words, err := c.words()
	if err != nil {
		words = strings.Fields(c.Prefix)
	}
	if c.To.Kind == KindOSD || c.To.Kind == KindPG {
		words = append([]string{"tell", strings.TrimPrefix(c.To.String(), "pg ")}, words...)
	}
	return strings.Join(words, " ")
}

// JSON is the form that the daemons take.
func (c Command) JSON() ([]byte, error) {
	if err := c.Valid(); err != nil {
		return nil, err
	}
	m := map[string]any{"prefix": c.Prefix}
	if !c.Text {
		m["format"] = "json"
	}
	if c.To.Kind == KindPG {
		m["pgid"] = c.To.ID
	}
	for _, a := range c.Args {
		m[a.Name] = a.Value
		if f, ok := a.Value.(float64); ok { // the daemons tell 1 from 1.0
			m[a.Name] = json.RawMessage(decimal(f))
		}
	}
	return json.Marshal(m)
}

// Valid reports whether the command is well formed: it has a target, a prefix,
// and arguments that have a name once and cannot be taken for options.
func (c Command) Valid() error {
	if err := c.To.valid(); err != nil {
		return err
	}
	if len(strings.Fields(c.Prefix)) == 0 || strings.HasPrefix(c.Prefix, "-") {
		return fmt.Errorf("ceph: %q is not a command", c.Prefix)
	}
	names := map[string]bool{"prefix": true, "format": true, "pgid": c.To.Kind == KindPG}
	for _, a := range c.Args {
		if a.Name == "" || names[a.Name] {
			return fmt.Errorf("ceph: %s: argument %q is missing a name or given twice", c.Prefix, a.Name)
		}
		names[a.Name] = true
	}
	_, err := c.words()
	return err
}

// words are the command's words on a command line.
func (c Command) words() ([]string, error) {
	words := strings.Fields(c.Prefix)
	for _, a := range c.Args {
		more, err := a.words()
		if err != nil {
			return nil, fmt.Errorf("ceph: %s: %w", c.Prefix, err)
		}
		words = append(words, more...)
	}
	return words, nil
}

func (a Arg) words() ([]string, error) {
	switch v := a.Value.(type) {
	case bool: // yes_i_really_mean_it is a flag on the command line
		if v {
			return []string{"--" + strings.ReplaceAll(a.Name, "_", "-")}, nil
		}
		return nil, nil
	case int:
		return []string{strconv.Itoa(v)}, nil
	case float64:
		return []string{decimal(v)}, nil
	case string:
		return []string{v}, plain(v)
	case []string:
		if len(v) == 0 {
			return nil, fmt.Errorf("argument %s is an empty list", a.Name)
		}
		return v, plain(v...)
	case Injection:
		return []string{v.String()}, v.valid()
	}
	return nil, fmt.Errorf("argument %s is a %T", a.Name, a.Value)
}

// decimal writes a number with a point in it.
func decimal(f float64) string {
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// An Injection is a setting as injectargs takes it: the value of an argument,
// for daemons whose settings no database keeps.
type Injection struct{ Name, Value string }

func (i Injection) String() string { return "--" + i.Name + "=" + i.Value }

// MarshalJSON writes the list of one word that a daemon expects.
func (i Injection) MarshalJSON() ([]byte, error) { return json.Marshal([]string{i.String()}) }

// valid permits one word for one setting: a daemon would take more of them.
func (i Injection) valid() error {
	name := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' }
	value := func(r rune) bool { return name(r) && (r < 'A' || r > 'Z') && r != '.' && r != '-' }
	if i.Name == "" || strings.ContainsFunc(i.Name, name) || i.Value == "" || strings.ContainsFunc(i.Value, value) {
		return fmt.Errorf("%q cannot be injected", i.String())
	}
	return nil
}

// plain refuses what a command line would read as an option or not at all.
func plain(words ...string) error {
	for _, w := range words {
		if w == "" || strings.HasPrefix(w, "-") || strings.ContainsRune(w, 0) {
			return fmt.Errorf("%q cannot be an argument", w)
		}
	}
	return nil
}

// file is the name, without its ending, that a recording gives the answer.
func (c Command) file() string {
	name := strings.Join(strings.Fields(c.Prefix), "_")
	switch {
	case c.Prefix == "health":
		name = "health_detail"
	case c.To.Kind == KindPG:
		return "pg_" + name + "_" + c.To.ID
	case c.Prefix == "heap":
		return c.To.String() + ".heap_stats"
	case c.To.Kind == KindOSD:
		name = c.To.String() + "." + name
	}
	// What only says how much to show is not part of the name.
	quiet := []string{"detail", "dumpcontents", "num", "level", "channel"}
	args := map[string]any{}
	for _, a := range c.Args {
		if !slices.Contains(quiet, a.Name) {
			args[a.Name] = a.Value
		}
	}
	for _, k := range slices.Sorted(maps.Keys(args)) {
		name += "." + fileWord(fmt.Sprint(args[k]))
	}
	return name
}

// fileWord makes a word fit for the name of a file.
func fileWord(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-", r):
			return r
		}
		return '_'
	}, s)
}

// ext is the ending of the file that holds the answer.
func (c Command) ext() string {
	if c.Text {
		return ".txt"
	}
	return ".json"
}
