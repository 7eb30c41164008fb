package ceph

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// PGs is what is kept of `pg dump`: sums, and the worst of each kind.
type PGs struct {
	Seen   bool
	Total  int
	States map[string]int // PGs in each combination of states
	// Sums over all PGs, in objects.
	Objects, Degraded, Misplaced, Unfound, Recovered int64
	LogEntries, Dups                                 int64
	DupsSeen                                         bool // the release says how many dups a PG has
	SnapQueue                                        int64
	Stuck                                            Worst // PGs that do not serve or do not recover
	LongLogs                                         Worst // by length of the log
	ManyDups                                         Worst // by number of dups
	SnapQueues                                       Worst // by length of the queue
	// LogLengths counts PGs by the length of their log, in steps of
	// logStep entries; the first are PGs that are clean, the second those
	// that are not.
	LogLengths [2]map[int]int
}

const logStep = 500

// A PG that is worth a look.
type PG struct {
	ID         string
	State      string
	Up, Acting []int
	BlockedBy  []int
	Log, Dups  int64 // entries
	SnapQueue  int64
	Degraded   int64
	Unfound    int64
	LastUpdate string // version of the last write: "epoch'version"
	LastActive string // as Ceph writes it
	LastClean  string
}

// In reports whether the PG is in a state such as "down".
func (p PG) In(state string) bool { return in(p.State, state) }

// in looks for one state in a combination like active+clean+remapped.
func in(combination, state string) bool {
	for combination != "" {
		var s string
		s, combination, _ = strings.Cut(combination, "+")
		if s == state {
			return true
		}
	}
	return false
}

// Worst keeps the worst few of many.
type Worst struct {
	Count int // how many there were at all
	Top   []PG
}

// keep is how many PGs of a kind are kept.
const keep = 50

// offer counts a PG, and keeps it if it is among the worst by this measure.
func (w *Worst) offer(p *pgJSON, by int64, measure func(PG) int64) {
	w.Count++
	if len(w.Top) == keep && by <= measure(w.Top[keep-1]) {
		return
	}
	pg := p.pg()
	i, _ := slices.BinarySearchFunc(w.Top, by, func(q PG, by int64) int { return cmp.Compare(by, measure(q)) })
	w.Top = slices.Insert(w.Top, i, pg)
	w.Top = w.Top[:min(len(w.Top), keep)]
}

// pgJSON is what is read of a PG (pg_stat_t::dump, src/osd/osd_types.cc).
type pgJSON struct {
	ID         string `json:"pgid"`
	Version    string `json:"version"`
	State      string `json:"state"`
	LastActive string `json:"last_active"`
	LastClean  string `json:"last_clean"`
	Log        int64  `json:"log_size"`
	Dups       *int64 `json:"log_dups_size"` // Quincy and newer
	SnapQueue  int64  `json:"snaptrimq_len"`
	Up         []int  `json:"up"`
	Acting     []int  `json:"acting"`
	BlockedBy  []int  `json:"blocked_by"`
	Sum        struct {
		Objects   int64 `json:"num_objects"`
		Degraded  int64 `json:"num_objects_degraded"`
		Misplaced int64 `json:"num_objects_misplaced"`
		Unfound   int64 `json:"num_objects_unfound"`
		Recovered int64 `json:"num_objects_recovered"`
	} `json:"stat_sum"`
}

func (p *pgJSON) dups() int64 {
	if p.Dups == nil {
		return 0
	}
	return *p.Dups
}

func (p *pgJSON) pg() PG {
	return PG{
		ID: p.ID, State: p.State, Up: slices.Clone(p.Up), Acting: slices.Clone(p.Acting),
		BlockedBy: slices.Clone(p.BlockedBy), Log: p.Log, Dups: p.dups(), SnapQueue: p.SnapQueue,
		Degraded: p.Sum.Degraded, Unfound: p.Sum.Unfound,
		LastUpdate: p.Version, LastActive: p.LastActive, LastClean: p.LastClean,
	}
}

// readPGDump reads `pg dump` in a stream: as an object of which pg_stats is a
// member (Luminous, Mimic), within pg_map (Nautilus and newer), or as the bare
// list that `pg dump pgs` gave before Nautilus.
func (s *Snapshot) readPGDump(r io.Reader) error {
	d := json.NewDecoder(bufio.NewReaderSize(r, 1<<20))
	t, err := d.Token()
	if err != nil {
		return pgDumpError(err)
	}
	c := &pgCounter{s: s, load: map[int]*Load{}}
	c.pgs.States = map[string]int{}
	c.pgs.LogLengths = [2]map[int]int{{}, {}}
	found := false
	switch t {
	case json.Delim('['):
		found, err = true, c.list(d)
	case json.Delim('{'):
		found, err = c.object(d, 0)
	default:
		err = fmt.Errorf("ceph: pg dump begins with %v", t)
	}
	if err != nil {
		return pgDumpError(err)
	}
	if !found {
		return errors.New("ceph: pg dump without pg_stats")
	}
	if _, err := d.Token(); err != io.EOF { // the rest also says how the command ended
		return pgDumpError(cmp.Or(err, errors.New("something follows")))
	}
	return c.done()
}

func pgDumpError(err error) error {
	var ce *CommandError
	if errors.As(err, &ce) {
		return err
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("ceph: pg dump: %w", err)
}

// object looks for pg_stats among the members of an object.
func (c *pgCounter) object(d *json.Decoder, depth int) (found bool, err error) {
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return false, err
		}
		switch {
		case key == "pg_ready":
			var ready bool
			if err := d.Decode(&ready); err != nil {
				return false, err
			}
			if !ready {
				return false, errors.New("the manager has not heard of all PGs yet (pg_ready is false)")
			}
		case key == "pg_map" && depth == 0:
			if err = expect(d, '{'); err == nil {
				found, err = c.object(d, 1)
			}
		case key == "pg_stats":
			if err = expect(d, '['); err == nil {
				found, err = true, c.list(d)
			}
		default:
			err = skip(d)
		}
		if err != nil {
			return false, err
		}
	}
	return found, expect(d, '}')
}

func expect(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err == nil && t != want {
		err = fmt.Errorf("%v where %v was expected", t, want)
	}
	return err
}

// skip passes over one value without keeping it.
func skip(d *json.Decoder) error {
	for depth := 0; ; {
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}
