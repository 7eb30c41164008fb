package bootvolume

import (
	"context"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// check has the program check its files, and keeps what it warns of.
func (e *Editor) check(ctx context.Context, service Service, s stackmend.Step) error {
	warnings, err := service.Check(ctx, strings.Split(s.Args["files"], "\n"))
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range warnings {
		f := warn(CodeCheckerWarning, "configuration of "+s.Target, w, "change what it names: the files were accepted, and may not do what they say")
		if !slices.ContainsFunc(e.warned, func(o stackmend.Finding) bool { return o.Subject == f.Subject && o.Message == f.Message }) {
			e.warned = append(e.warned, f)
		}
	}
	return err
}

// Warnings are what the programs' own checkers have warned of, of files that
// they accept; each once. Run does not know of them: add them to its Result.
func (e *Editor) Warnings() []stackmend.Finding {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.warned)
}

// CheckerWarnings finds what "haproxy -c" warns of in all that it prints. It
// calls some things an alert and accepts them too.
func CheckerWarnings(output string) (all []string) {
	inside := false
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\r\n")
		more, goesOn := strings.CutPrefix(line, "   | ")
		switch {
		case goesOn && inside:
			all[len(all)-1] += " " + strings.TrimSpace(more)
		case strings.HasPrefix(line, "[WARNING]"), strings.HasPrefix(line, "[ALERT]"):
			_, text, found := strings.Cut(line, " : ")
			if inside = found; found {
				all = append(all, strings.TrimSpace(text))
			}
		default:
			inside = false
		}
	}
	return all
}
