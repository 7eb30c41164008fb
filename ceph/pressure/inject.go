package pressure

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/flags"
)

// injectKnob is a setting of the daemons that run, for who: osd, or osd.N. The
// value that it stands at is those that they use, each once.
type injectKnob struct {
	configKnob
	only func(used string) bool // nil: whatever a daemon uses is replaced
}

func newInjectKnob(who, name string, s stackmend.Step) injectKnob {
	k := injectKnob{configKnob: configKnob{who, name}}
	if left := strings.Fields(s.Args["left"]); len(left) > 0 {
		k.only = func(used string) bool { return contains(left, used) }
	}
	return k
}

func contains(list []string, value string) bool {
	return slices.ContainsFunc(list, func(v string) bool { return same(v, value) })
}

func (k injectKnob) get(ctx context.Context, c ceph.Commander, m flags.Map) (string, error) {
	var mu sync.Mutex
	all := map[string]bool{}
	err := k.each(ctx, m, func(id int) error {
		v, err := effective(ctx, c, id, k.name)
		mu.Lock()
		defer mu.Unlock()
		all[v] = true
		return err
	})
	if err != nil {
		return "", err
	}
	return strings.Join(slices.Sorted(maps.Keys(all)), " "), nil
}

// put injects the value into every OSD, or those with the value that it
// replaces.
//
// Similar To: ceph tell osd.N injectargs --NAME=VALUE
func (k injectKnob) put(ctx context.Context, c ceph.Commander, value string) error {
	m, err := flags.Read(ctx, c)
	if err != nil {
		return err
	}
	return k.each(ctx, m, func(id int) error {
		if k.only != nil {
			if used, err := effective(ctx, c, id, k.name); err != nil || !k.only(used) {
				return err
			}
		}
		return tell(ctx, c, ceph.ToOSD(id), "injectargs", ceph.Arg{Name: "injected_args", Value: ceph.Injection{Name: k.name, Value: value}})
	})
}

// each calls f for every OSD that is up and heeds the setting.
func (k injectKnob) each(ctx context.Context, m flags.Map, f func(id int) error) error {
	ids := k.osds(m)
	if len(ids) == 0 {
		return fmt.Errorf("ceph/pressure: no OSD that heeds %s %s is up", k.who, k.name)
	}
	var g errgroup.Group
	g.SetLimit(ceph.MaxParallel)
	for _, id := range ids {
		g.Go(func() error { return f(id) })
	}
	return g.Wait()
}

// injected reports whether settings can only be injected into the daemons:
// before Mimic the monitors have no database of them.
func injected(s *ceph.Snapshot) bool {
	lowest := s.Lowest()
	return lowest.Major > 0 && lowest.Major < 13
}

const byInjection = "inject"

// settingVerb is the verb of a step that sets a setting with these arguments.
func settingVerb(args map[string]string) string {
	if args["by"] == byInjection {
		return VerbInject
	}
	return VerbConfig
}

// stood is what stood before a setting is changed, or why that could not be
// put back.
func stood(s *ceph.Snapshot, who, name string) (was, why string) {
	if !injected(s) {
		return inDatabase(s, who, name)
	}
	switch was = used(s, who, name); len(strings.Fields(was)) {
	case 0:
		return "", fmt.Sprintf("no OSD told its %s: what is injected could not be put back", name)
	case 1:
		return was, ""
	}
	return "", fmt.Sprintf("OSDs use %s = %s: what each had could not be put back after an injection; make them alike first", name, was)
}

// stands reports whether a value is still as a step left it. Of daemons one is
// enough: others have started again since, with what their files say.
func stands(verb, now, left string) bool {
	if verb == VerbInject {
		return slices.ContainsFunc(strings.Fields(now), func(v string) bool { return contains(strings.Fields(left), v) })
	}
	return same(now, left)
}

// injectedBy reports whether what the daemons use is what a step has injected.
func injectedBy(s stackmend.Step, now string) bool {
	left, values := strings.Fields(s.Args["left"]), strings.Fields(now)
	if len(left) == 0 {
		return len(values) == 1 && same(values[0], s.Args["value"])
	}
	return !slices.ContainsFunc(values, func(v string) bool { return contains(left, v) && !same(v, s.Args["value"]) })
}

// halfway reports whether an injection has reached some of the daemons, and
// nobody else has changed any.
func halfway(s stackmend.Step, now string) bool {
	return s.Verb == VerbInject && !slices.ContainsFunc(strings.Fields(now), func(v string) bool {
		return !same(v, s.Args["value"]) && !same(v, s.Args["was"])
	})
}
