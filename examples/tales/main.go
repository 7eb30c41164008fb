// Tales replays the incidents that this library is for: what was seen, what a
// check makes of it, what would be changed, what the guards refuse and why,
// what is done in a sandbox, and the check again. It needs Go alone: no server,
// no root; it changes nothing outside of a temporary folder.
//
//	go run ./examples/tales              all of them
//	go run ./examples/tales -list
//	go run ./examples/tales -tale mtu
//	go run ./examples/tales -html tales.html
//	go run ./examples/tales -json
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/stackmend/stackmend/examples/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // a reader that has gone, as of | head, is a write that fails: what was made is still removed
	os.Exit(run(ctx, os.Args[1:], cli.Streams{Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}))
}

// settings are the flags.
type settings struct {
	names cli.List
	list  bool
	json  bool
	html  string
}

// run tells the tales that the arguments name and returns an exit status.
func run(ctx context.Context, args []string, std cli.Streams) int {
	var s settings
	fs := flag.NewFlagSet("tales", flag.ContinueOnError)
	fs.SetOutput(std.Err)
	fs.Var(&s.names, "tale", "tell only the tale `NAME`; may be repeated")
	fs.BoolVar(&s.list, "list", false, "name the tales")
	fs.BoolVar(&s.json, "json", false, "print the results as JSON")
	fs.StringVar(&s.html, "html", "", "write a page for a browser to `FILE`")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 64
	}
	chosen, err := choose(s.names)
	if err != nil || fs.NArg() > 0 {
		fmt.Fprintf(std.Err, "tales: %v; -list names them\n", errors.Join(err, unexpected(fs.Args())))
		return 64
	}
	if s.list {
		for _, t := range chosen {
			fmt.Fprintf(std.Out, "%-12s %s\n", t.name, t.title)
		}
		return 0
	}
	if err := s.tell(ctx, chosen, std); err != nil {
		fmt.Fprintf(std.Err, "tales: %s\n", cli.Clean(err.Error()))
		return 3
	}
	return 0
}

func unexpected(args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("unexpected argument %q", args[0])
}

// choose returns the tales of these names; of none: all.
func choose(names []string) ([]tale, error) {
	if len(names) == 0 {
		return tales, nil
	}
	var chosen []tale
	for _, name := range names {
		i := slices.IndexFunc(tales, func(t tale) bool { return t.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no tale %q", name)
		}
		chosen = append(chosen, tales[i])
	}
	return chosen, nil
}

// told is a tale in the form of -json.
type told struct {
	Tale  string     `json:"tale"`
	Title string     `json:"title"`
	Parts []toldPart `json:"parts"`
}

type toldPart struct {
	Title  string `json:"title,omitempty"`
	Text   string `json:"text,omitempty"`
	Result any    `json:"result,omitempty"`
}

// tell plays the tales one after the other.
func (s *settings) tell(ctx context.Context, chosen []tale, std cli.Streams) error {
	page := cli.Page{Title: "stackmend: tales of incidents", Lead: lead}
	all := []told{}
	for _, t := range chosen {
		w := std.Out
		if s.json {
			w = io.Discard
		}
		parts, err := t.tell(ctx, w, std.Colour())
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		page.Sections = append(page.Sections, cli.Section{Name: t.name, Title: t.title, Parts: parts})
		all = append(all, asTold(t, parts))
	}
	if s.json {
		e := json.NewEncoder(std.Out)
		e.SetIndent("", "  ")
		if err := e.Encode(all); err != nil {
			return err
		}
	}
	if s.html == "" {
		return nil
	}
	return page.WriteFile(s.html)
}

func asTold(t tale, parts []cli.Part) told {
	out := told{Tale: t.name, Title: t.title}
	for _, p := range parts {
		if p.Text == "" && p.Result == nil {
			continue // a picture or a table says nothing to a program
		}
		part := toldPart{Title: p.Title, Text: p.Text}
		if p.Result != nil {
			part.Result = p.Result
		}
		out.Parts = append(out.Parts, part)
	}
	return out
}

const lead = "Each tale replays an incident on recorded inputs and on files that it makes in a folder of its own. " +
	"The findings, plans and refusals are what the library says of them just now."

// indent puts each line of a text to the right.
func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ") + "\n"
}
