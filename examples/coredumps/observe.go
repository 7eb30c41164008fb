package coredumps

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// Old is the folder beside the dumps that old ones are moved to.
const Old = "old"

// A Snapshot is what was seen of one folder. It is plain data.
type Snapshot struct {
	At      time.Time
	Dir     string
	Dumps   []Dump   // by name
	Writing []string // dumps that are being written
	Unseen  []string // what could not be looked at, and why
}

// A Dump is one core dump.
type Dump struct {
	Name  string
	Bytes int64
	Time  time.Time
}

// Observe looks at every dump in the folder. An error means that the folder
// could not be read at all; one dump that cannot be looked at is in Unseen.
func Observe(ctx context.Context, dir *os.Root) (*Snapshot, error) {
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("coredumps: %w", err)
	}
	s := &Snapshot{At: time.Now(), Dir: dir.Name()}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.add(e)
	}
	slices.SortFunc(s.Dumps, func(a, b Dump) int { return strings.Compare(a.Name, b.Name) })
	return s, nil
}

func (s *Snapshot) add(e fs.DirEntry) {
	if writing(e.Name()) {
		s.Writing = append(s.Writing, e.Name())
	}
	if !strings.HasPrefix(e.Name(), "core.") || !e.Type().IsRegular() {
		return
	}
	i, err := e.Info()
	switch {
	case errors.Is(err, fs.ErrNotExist): // removed in between
	case err != nil:
		s.Unseen = append(s.Unseen, err.Error())
	default:
		s.Dumps = append(s.Dumps, Dump{e.Name(), i.Size(), i.ModTime()})
	}
}

// writing tells the name of a dump that systemd-coredump has not yet finished.
func writing(name string) bool { return strings.HasPrefix(name, ".#core.") }
