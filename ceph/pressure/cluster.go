package pressure

import (
	"context"
	"encoding/json"
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

var (
	mon = ceph.Target{Kind: ceph.KindMon}
	mgr = ceph.Target{Kind: ceph.KindMgr}
)

// tell puts a command whose answer says nothing.
func tell(ctx context.Context, c ceph.Commander, to ceph.Target, prefix string, args ...ceph.Arg) error {
	_, err := ceph.Ask(ctx, c, ceph.Command{To: to, Prefix: prefix, Text: true, Args: args})
	return err
}

// configKnob is a setting of the monitors' database, for who: osd, or osd.N.
type configKnob struct{ who, name string }

func (k configKnob) get(ctx context.Context, c ceph.Commander, _ flags.Map) (string, error) {
	b, err := ceph.Ask(ctx, c, ceph.Command{To: mon, Prefix: "config dump"})
	if err != nil {
		return "", err
	}
	var all []struct{ Section, Name, Value, Mask string }
	if err := json.Unmarshal(b, &all); err != nil {
		return "", fmt.Errorf("config dump: %w", err)
	}
	for _, e := range all {
		if e.Section == k.who && e.Mask == "" && e.Name == k.name {
			return e.Value, nil
		}
	}
	return "", nil
}

// put sets the value, or removes it if it is empty.
//
// Similar To: ceph config set osd NAME VALUE, ceph config rm osd NAME
func (k configKnob) put(ctx context.Context, c ceph.Commander, value string) error {
	args := []ceph.Arg{{Name: "who", Value: k.who}, {Name: "name", Value: k.name}}
	if value == "" {
		return tell(ctx, c, mon, "config rm", args...)
	}
	return tell(ctx, c, mon, "config set", append(args, ceph.Arg{Name: "value", Value: value})...)
}

// osds are those of the map that are up and heed the setting.
func (k configKnob) osds(m flags.Map) []int {
	ids := m.Up()
	if id, err := osdID(k.who); err == nil {
		ids = nil
		for _, o := range m.Up() {
			if o == id {
				ids = []int{id}
			}
		}
	}
	return ids
}

// each calls f for every OSD that is up and heeds the setting.
func (k configKnob) each(m flags.Map, f func(id int) error) error {
	ids := k.osds(m)
	if len(ids) == 0 {
		return fmt.Errorf("ceph/pressure: no OSD that heeds %s %s is up, so none could be asked", k.who, k.name)
	}
	var g errgroup.Group
	g.SetLimit(ceph.MaxParallel)
	for _, id := range ids {
		g.Go(func() error { return f(id) })
	}
	return g.Wait()
}

// inEffect asks every OSD that heeds the setting for the value that it uses.
// An OSD for which wrong says why is stackmend.ErrNotDone; one that does not
// answer is an error of its own, for nobody knows then.
func (k configKnob) inEffect(ctx context.Context, c ceph.Commander, m flags.Map, wrong func(string) bool) error {
	return k.each(m, func(id int) error {
		got, err := effective(ctx, c, id, k.name)
		if err == nil && wrong(got) {
			err = fmt.Errorf("%w: osd.%d uses %s = %s", stackmend.ErrNotDone, id, k.name, got)
		}
		return err
	})
}

// effective is the value that an OSD uses.
//
// Similar To: ceph tell osd.N config get NAME
func effective(ctx context.Context, c ceph.Commander, id int, name string) (string, error) {
	b, err := ceph.Ask(ctx, c, ceph.Command{To: ceph.ToOSD(id), Prefix: "config get", Args: []ceph.Arg{{Name: "var", Value: name}}})
	if err != nil {
		return "", err
	}
	var m map[string]string
	if err := json.Unmarshal(b, &m); err != nil {
		return "", fmt.Errorf("osd.%d: config get: %w", id, err)
	}
	v, ok := m[name]
	if !ok {
		return "", fmt.Errorf("osd.%d: config get: no %s in the answer", id, name)
	}
	return v, nil
}

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

func (k injectKnob) get(ctx context.Context, c ceph.Commander, m flags.Map) (string, error) {
	var mu sync.Mutex
	all := map[string]bool{}
	err := k.each(m, func(id int) error {
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
	return k.each(m, func(id int) error {
		if k.only != nil {
			if used, err := effective(ctx, c, id, k.name); err != nil || !k.only(used) {
				return err
			}
		}
		return tell(ctx, c, ceph.ToOSD(id), "injectargs", ceph.Arg{Name: "injected_args", Value: ceph.Injection{Name: k.name, Value: value}})
	})
}
