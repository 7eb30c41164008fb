package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/imagecache"
	"github.com/stackmend/stackmend/imagecache/openstack"
)

// A question is what the plugin asks.
type question struct {
	Schema       int    `json:"schema"`
	Ask          string `json:"ask"`
	Instances    string `json:"instances"`
	Subdirectory string `json:"subdirectory"`
	Path         string `json:"path"`
	Bytes        int64  `json:"bytes"`
}

// An answer has one of its fields, beside the schema.
type answer struct {
	Schema int               `json:"schema"`
	Unused []string          `json:"unused,omitempty"`
	Result *stackmend.Result `json:"result,omitempty"`
	Tail   []byte            `json:"tail,omitempty"` // base64
	Error  string            `json:"error,omitempty"`
}

// settings are the operator's.
type settings struct {
	cloud, services string
	servers         cli.List
	gone, elsewhere cli.Pairs
	minAge          cli.Age
}

func (s *settings) flags(fs *flag.FlagSet) {
	fs.StringVar(&s.cloud, "os-cloud", "", "ask the APIs of cloud `NAME` of clouds.yaml, as an administrator")
	fs.StringVar(&s.services, "services", "", "instead of the API: `FILE` with the JSON of GET /os-services")
	fs.Var(&s.servers, "servers", "instead of the API: `FILE` with the JSON of GET /servers/detail; repeat it for all_tenants=1 and soft_deleted=true")
	fs.Var(&s.minAge, "min-age", "keep unused images touched within this `age` (default 7d)")
	fs.Var(&s.gone, "gone", "`HOST=REASON`: this compute will never come back; may be repeated")
	fs.Var(&s.elsewhere, "elsewhere", "`HOST=REASON`: this compute does not share the directory; may be repeated")
}

// The exit statuses, as those of the other examples.
const (
	exitUnknown = 3
	exitUsage   = 64
)

// run answers one question, and returns an exit status.
func run(ctx context.Context, args []string, in io.Reader, out, complain io.Writer) int {
	var s settings
	fs := flag.NewFlagSet("stackmend-nova", flag.ContinueOnError)
	fs.SetOutput(complain)
	s.flags(fs)
	if err := fs.Parse(args); err != nil || fs.NArg() > 0 {
		return exitUsage
	}
	a, err := s.answer(ctx, in)
	if err != nil {
		a = answer{Error: err.Error()}
	}
	a.Schema = stackmend.Schema
	if encoding := json.NewEncoder(out).Encode(a); encoding != nil {
		fmt.Fprintln(complain, encoding)
		return exitUnknown
	}
	if err != nil {
		return exitUnknown
	}
	return 0
}

// maxQuestion bounds what is read of stdin.
const maxQuestion = 1 << 20

func (s *settings) answer(ctx context.Context, in io.Reader) (answer, error) {
	var q question
	d := json.NewDecoder(io.LimitReader(in, maxQuestion))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return answer{}, fmt.Errorf("the question: %w", err)
	}
	switch {
	case q.Schema != stackmend.Schema:
		return answer{}, fmt.Errorf("the question is of schema %d; this program speaks %d", q.Schema, stackmend.Schema)
	case q.Ask == "unused":
		return s.unused(ctx, q)
	case q.Ask == "tail":
		b, err := consolelog.Tail{Path: q.Path, Bytes: q.Bytes}.Read()
		return answer{Tail: b}, err
	}
	return answer{}, fmt.Errorf("nobody here answers %.40q", q.Ask)
}

// unused are the images that a quarantine would take: those that nothing in
// the tree and nobody in the fleet needs.
func (s *settings) unused(ctx context.Context, q question) (answer, error) {
	site := imagecache.Site{Dir: q.Instances, Subdir: q.Subdirectory, Quarantine: filepath.Join(q.Instances, "_quarantine")}
	if err := site.Validate(); err != nil {
		return answer{}, err
	}
	src, err := s.sources(ctx)
	if err != nil {
		return answer{}, err
	}
	seen, err := imagecache.Observe(ctx, site, src)
	if err != nil {
		return answer{}, err
	}
	policy := imagecache.Policy{MinAge: time.Duration(s.minAge), Gone: s.gone, Elsewhere: s.elsewhere}
	result, err1 := imagecache.Check(seen, policy)
	plan, err2 := imagecache.Quarantine(seen, policy)
	if err := errors.Join(err1, err2); err != nil {
		return answer{}, err
	}
	result.Plan = plan
	a := answer{Result: &result}
	if len(plan.Refusals) > 0 {
		return a, nil
	}
	for _, step := range plan.Steps {
		a.Unused = append(a.Unused, filepath.Base(step.Target))
	}
	return a, nil
}

// sources are whom the flags name.
func (s *settings) sources(ctx context.Context) (src imagecache.Sources, err error) {
	if s.cloud == "" {
		src.Fleet = imagecache.FleetFiles(s.services, s.servers...)
		return src, nil
	}
	c, err := openstack.Login(ctx, s.cloud, os.Getenv)
	if err != nil {
		return src, err
	}
	src.Fleet = openstack.New(c.Compute, c.Identity)
	src.Glance = openstack.Glance(ctx, c.Image, c.Identity)
	return src, nil
}
