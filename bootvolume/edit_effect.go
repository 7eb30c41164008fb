package bootvolume

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stackmend/stackmend/internal/oslo"
)

// An effect is what becomes of a setting once its file has it.
type effect struct {
	none    string   // why it changes nothing; "": it does
	limited []string // where else it does not count, or may not
}

// inEffect tells what a setting of a file does beside what else the service
// reads. The files are those of one service, in its order, as they will be.
func (s Setting) inEffect(files []ConfFile, path string, f Format) effect {
	switch {
	case f == HAProxyFormat:
		return s.inHAProxy(files, path)
	case isServerGroup(s.Section):
		return s.inServer(files, path)
	}
	return s.inService(files, path)
}

// inService: of an oslo option the last file that has it counts, under
// whichever of its names.
func (s Setting) inService(files []ConfFile, path string) effect {
	names := namesOf(oslo.Option{Group: s.Section, Name: s.Name})
	for _, f := range slices.Backward(files) {
		c := &oslo.Config{}
		if err := c.Add(f.Path, strings.NewReader(f.Text)); err != nil {
			return effect{limited: []string{"it is not known whether another file sets it again: " + err.Error()}}
		}
		for _, o := range names { // the newest name first, as in oslo.config
			value, found, err := c.Get(o)
			switch {
			case !found:
				continue
			case f.Path == path && o.Name == s.Name:
				return effect{}
			case err != nil:
				value = "a reference"
			}
			return effect{none: fmt.Sprintf("%s counts, which sets %s to %s", f.Path, o, value)}
		}
	}
	return effect{}
}

// formerNames are those that options had before (oslo.db 12.1.0,
// oslo_db/options.py), the newest first.
var formerNames = map[oslo.Option][]oslo.Option{
	{Group: "database", Name: "connection_recycle_time"}: {{Group: "database", Name: "idle_timeout"}, {Group: "database", Name: "sql_idle_timeout"},
		{Name: "sql_idle_timeout"}, {Group: "sql", Name: "idle_timeout"}},
	{Group: "database", Name: "max_overflow"}: {{Name: "sql_max_overflow"}, {Group: "database", Name: "sqlalchemy_max_overflow"}},
}

// namesOf are all the names of an option.
func namesOf(o oslo.Option) []oslo.Option {
	if o.Group == "DEFAULT" {
		o.Group = ""
	}
	for newest, former := range formerNames {
		if all := append([]oslo.Option{newest}, former...); slices.Contains(all, o) {
			return all
		}
	}
	return []oslo.Option{o}
}

// inServer: of MariaDB's variables the last line of its groups counts. Files
// that are included are not looked at.
func (s Setting) inServer(files []ConfFile, path string) (e effect) {
	for _, f := range files {
		if f.Path != path {
			continue
		}
		c, err := ReadGaleraConf(strings.NewReader(f.Text), path)
		name := strings.ReplaceAll(strings.ToLower(s.Name), "-", "_")
		if got := c.Variables[name]; err == nil && got != strings.Trim(s.Value, `"'`) {
			e.none = fmt.Sprintf("a later group of %s counts, which sets %s to %s", path, name, got)
		}
		for _, i := range c.Includes {
			e.limited = append(e.limited, fmt.Sprintf("%s has %s, which was not read and may set it again", path, i))
		}
	}
	return e
}
