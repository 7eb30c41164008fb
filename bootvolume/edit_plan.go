package bootvolume

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// The verbs of an edit. Its steps are one group, which is undone as a whole
// when one of them fails: the files are put back first, and the service takes
// them up last.
const (
	VerbBackUp   = "back-up"
	VerbEdit     = "edit"
	VerbValidate = "validate"
	VerbReload   = "reload"
	VerbHealthy  = "healthy"
)

// stepTimeout leaves time for what a step may wait for: of a step that is
// undone, a reload and the service's health.
const stepTimeout = 10 * time.Minute

// A ConfFile is a file as it was read.
type ConfFile struct {
	Path       string
	Text       string
	Mode       string // such as "0640"
	Owner      string // UID:GID
	Generation string // what its service runs with, as Service.Generation says; empty: it has none
	Host       string // whose it is: later files of one host set options of earlier ones again
}

// A Change is what should be different in a file.
type Change struct {
	Path     string
	Format   Format
	Settings []Setting
	Reason   string
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

// PlanEdit plans changes of the files of one service, which are given all and
// in the order in which it reads them: back up, edit, validate all of them with
// the program's own checker, reload, healthy. A file that a tool writes
// anew is left alone, with the difference as the reason. Without a service the
// files are edited, and say that they take effect at its next start. A setting
// that changes nothing, for another line of the files sets it again, is a
// refusal of the plan; where it does not count, or what it includes was not
// read, is said in its step.
func PlanEdit(service string, files []ConfFile, changes []Change, now time.Time, valid time.Duration) (*stackmend.Plan, error) {
	p := &stackmend.Plan{Check: "bootvolume", Subject: "configuration of " + service, Created: now, Expires: now.Add(valid)}
	if len(changes) == 0 {
		return nil, fmt.Errorf("%w: no changes", ErrEdit)
	}
	g := group{name: "configuration " + service, service: service, beside: besides(files, changes)}
	for _, f := range files {
		g.paths = append(g.paths, f.Path)
	}
	will, err := asEdited(files, changes)
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		f, err := fileOf(files, c.Path)
		if err != nil {
			return nil, err
		}
		changed, err := fileOf(will, c.Path)
		if err != nil {
			return nil, err
		}
		after, d := changed.Text, diff(f.Text, changed.Text)
		none, limited := c.effects(will)
		p.Refusals = append(p.Refusals, none...)
		switch tool := managerOf(f.Path, f.Text); {
		case after == f.Text:
			p.Kept = append(p.Kept, stackmend.Kept{Target: f.Path, Reason: strings.TrimSpace("it is so already\n" + limited)})
		case tool != "":
			p.Kept = append(p.Kept, stackmend.Kept{Target: f.Path, Reason: "written anew by " + tool + ": make the change there:\n" + d + limited})
		default:
			if err := g.edit(f, c, after, d+limited); err != nil {
				return nil, err
			}
		}
	}
	p.Steps = g.steps()
	return p, nil
}

// asEdited are the files as they will be.
func asEdited(files []ConfFile, changes []Change) ([]ConfFile, error) {
	will := slices.Clone(files)
	for i := range will {
		for _, c := range changes {
			if c.Path != will[i].Path {
				continue
			}
			var err error
			if will[i].Text, err = c.Edited(will[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", c.Path, err)
			}
		}
	}
	return will, nil
}

// effects tells which of the settings change nothing, and where the others do
// not count, for every service that reads the file.
func (c Change) effects(will []ConfFile) (none []string, limited string) {
	for _, f := range will {
		if f.Path != c.Path {
			continue
		}
		read := slices.DeleteFunc(slices.Clone(will), func(o ConfFile) bool { return o.Host != f.Host })
		for _, s := range c.Settings {
			e, what := s.inEffect(read, c.Path, c.Format), fmt.Sprintf("%s of %s in %s ", s.Name, s.Section, c.Path)
			if e.none != "" {
				none = append(none, what+"would change nothing: "+e.none)
				continue
			}
			for _, l := range e.limited {
				limited += what + "does not count everywhere: " + l + "\n"
			}
		}
	}
	return none, limited
}

// Edited is the text of the file with the change made, such as to have it
// checked before anything is written.
func (c Change) Edited(f ConfFile) (string, error) { return edit(f.Text, c.Format, c.Settings) }

// fileOf is the one file of that path; several services may read it.
func fileOf(files []ConfFile, path string) (found ConfFile, err error) {
	n := 0
	for _, f := range files {
		if f.Path != path {
			continue
		}
		if n++; n > 1 && (f.Host == found.Host || f.Text != found.Text) {
			return ConfFile{}, fmt.Errorf("%w: %s was read twice", ErrEdit, path)
		}
		found = f
	}
	if n == 0 {
		return ConfFile{}, fmt.Errorf("%w: %s was not read", ErrEdit, path)
	}
	return found, nil
}

// A group gathers the steps of one service.
type group struct {
	name, service, generation string
	paths                     []string // all that the service reads
	beside                    []ConfFile
	first, edits              []stackmend.Step
}

func (g *group) edit(f ConfFile, c Change, after, d string) error {
	settings, err := json.Marshal(c.Settings)
	if err != nil {
		return err
	}
	seen := map[string]string{"sha256": sum(f.Text), "mode": f.Mode, "owner": f.Owner, "beside": sumOf(g.beside)}
	step := func(verb, reason, undo string, args map[string]string) stackmend.Step {
		return stackmend.Step{Verb: verb, Target: f.Path, Reason: reason, Undo: undo, Args: args, Assumes: seen, Group: g.name, Timeout: stepTimeout}
	}
	g.generation = f.Generation
	service := g.service
	if f.Generation == "" {
		service, d = "", d+"in effect once "+g.service+" is restarted"
	}
	g.first = append(g.first, step(VerbBackUp, "the file as it was can be put back", "remove the copy; the service takes the file up as it was", map[string]string{"service": service, "generation": f.Generation, "beside": pathsOf(g.beside)}))
	g.edits = append(g.edits, step(VerbEdit, c.Reason+"\n"+d, "put the copy back",
		map[string]string{"format": string(c.Format), "settings": string(settings), "after": sum(after), "beside": pathsOf(g.beside)}))
	return nil
}

func (g *group) steps() []stackmend.Step {
	if len(g.edits) == 0 {
		return nil
	}
	all := append(g.first, g.edits...)
	step := func(verb, reason string) {
		all = append(all, stackmend.Step{Verb: verb, Target: g.service, Reason: reason, Undo: "follows from the files being put back",
			Args: map[string]string{"files": strings.Join(g.paths, "\n")}, Assumes: map[string]string{"generation": g.generation},
			Group: g.name, Timeout: stepTimeout})
	}
	if g.generation != "" {
		step(VerbValidate, "the program's own checker must accept it")
		step(VerbReload, "until then the program runs with the old configuration")
		step(VerbHealthy, "otherwise all of it is undone")
	}
	return all
}
