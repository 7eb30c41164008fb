package oslo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Config is what a service reads from its files. The zero value holds
// nothing. It may be read by several goroutines once it is made.
type Config struct {
	files    []sections // in the order of reading: later ones win
	defaults map[Option]string
}

// Option names an option. A group of "" is DEFAULT.
type Option struct{ Group, Name string }

func (o Option) String() string { return "[" + o.normal().Group + "] " + o.Name }

func (o Option) normal() Option {
	if o.Group == "" {
		o.Group = "DEFAULT"
	}
	return Option{normal(o.Group), o.Name}
}

// Errors of values. A value that is not there at all is no error.
var (
	// ErrReference: a `$name` of an option that neither the files nor the
	// defaults hold, or that leads back to itself.
	ErrReference = errors.New("oslo: reference to an option without value")
	// ErrValue: a value that is not of the type asked for.
	ErrValue = errors.New("oslo: value of another type")
)

// Read reads files in the order of a service's command line, later ones win.
// A folder stands for --config-dir: its files *.conf in the order of their
// names. A file that is not there is compatible with fs.ErrNotExist.
func Read(fsys fs.FS, names ...string) (*Config, error) {
	c := &Config{}
	if len(names) == 0 {
		return nil, errors.New("oslo: no file named")
	}
	files, err := Files(fsys, names...)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if err := c.open(fsys, file); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Files are those that Read reads, in its order.
func Files(fsys fs.FS, names ...string) (all []string, err error) {
	for _, name := range names {
		files, err := expand(fsys, name)
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	return all, nil
}

// expand is the files of a folder, or the file itself.
func expand(fsys fs.FS, name string) ([]string, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("oslo: %w", err)
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	entries, err := fs.ReadDir(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("oslo: %w", err)
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".conf") && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, path.Join(name, e.Name()))
		}
	}
	slices.Sort(files)
	return files, nil
}

func (c *Config) open(fsys fs.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return fmt.Errorf("oslo: %w", err)
	}
	defer f.Close()
	return c.Add(name, f)
}

// Add reads one more file, which wins over those before. The name is for
// messages.
func (c *Config) Add(name string, r io.Reader) error {
	s, err := parse(name, r)
	if err != nil {
		return err
	}
	c.files = append(c.files, s)
	return nil
}

// Default says what the service has for an option that its files do not set.
// It may hold references.
func (c *Config) Default(o Option, value string) {
	if c.defaults == nil {
		c.defaults = map[Option]string{}
	}
	c.defaults[o.normal()] = value
}

// Get returns the value of an option under its name or one of those that it
// had before, references replaced. found tells whether a file or a default
// has it.
func (c *Config) Get(o Option, former ...Option) (value string, found bool, err error) {
	raw, found := c.raw(o, former...)
	if !found {
		return "", false, nil
	}
	value, err = c.substitute(raw, o.normal().Group)
	if err != nil {
		return "", true, fmt.Errorf("%s: %w", o, err)
	}
	return value, true, nil
}

// All returns the values of an option that may be given several times (a
// MultiStrOpt), in the order of the files.
func (c *Config) All(o Option, former ...Option) ([]string, error) {
	var raws []string
	for _, f := range c.files {
		for _, name := range append(slices.Clip(former), o) { // the newest name is the last of a file
			raws = append(raws, f.get(name)...)
		}
	}
	if d, ok := c.defaults[o.normal()]; len(raws) == 0 && ok {
		raws = []string{d}
	}
	values := make([]string, len(raws))
	for i, raw := range raws {
		v, err := c.substitute(raw, o.normal().Group)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o, err)
		}
		values[i] = v
	}
	return values, nil
}

// Bool is Get of a boolean as oslo.config spells it.
func (c *Config) Bool(o Option, former ...Option) (value, found bool, err error) {
	s, found, err := c.Get(o, former...)
	if err != nil || !found {
		return false, found, err
	}
	switch strings.ToLower(s) {
	case "true", "1", "on", "yes":
		return true, true, nil
	case "false", "0", "off", "no":
		return false, true, nil
	}
	return false, true, fmt.Errorf("%w: %s is %q, not a boolean", ErrValue, o, s)
}

// Int is Get of an integer. An empty value is none at all.
func (c *Config) Int(o Option, former ...Option) (value int64, found bool, err error) {
	s, found, err := c.Get(o, former...)
	if s = strings.TrimFunc(s, isSpace); err != nil || s == "" {
		return 0, found && err != nil, err
	}
	value, err = strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, true, fmt.Errorf("%w: %s is %q, not an integer", ErrValue, o, s)
	}
	return value, true, nil
}

// raw is the value as it stands: of the last file that has it, under the
// newest of its names, the last one given.
func (c *Config) raw(o Option, former ...Option) (string, bool) {
	for _, f := range slices.Backward(c.files) {
		for _, name := range append([]Option{o}, former...) {
			if v := f.get(name); len(v) > 0 {
				return v[len(v)-1], true
			}
		}
	}
	v, ok := c.defaults[o.normal()]
	return v, ok
}

func (s sections) get(o Option) []string {
	o = o.normal()
	return s[o.Group][o.Name]
}
