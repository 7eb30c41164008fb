package pressure

import (
	"context"
	"encoding/json"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

var mon = ceph.Target{Kind: ceph.KindMon}

// readValue reads what the monitors' database has for all OSDs.
func readValue(ctx context.Context, c ceph.Commander, name string) (string, error) {
	b, err := ceph.Ask(ctx, c, ceph.Command{To: mon, Prefix: "config dump"})
	if err != nil {
		return "", err
	}
	var all []struct{ Section, Name, Value, Mask string }
	if err := json.Unmarshal(b, &all); err != nil {
		return "", fmt.Errorf("config dump: %w", err)
	}
	for _, e := range all {
		if e.Section == "osd" && e.Mask == "" && e.Name == name {
			return e.Value, nil
		}
	}
	return "", nil
}

// writeValue sets the value for all OSDs, or removes it if it is empty.
//
// Similar To: ceph config set osd NAME VALUE, ceph config rm osd NAME
func writeValue(ctx context.Context, c ceph.Commander, name, value string) error {
	cmd := ceph.Command{To: mon, Prefix: "config rm", Text: true, Args: []ceph.Arg{{Name: "who", Value: "osd"}, {Name: "name", Value: name}}}
	if value != "" {
		cmd.Prefix = "config set"
		cmd.Args = append(cmd.Args, ceph.Arg{Name: "value", Value: value})
	}
	_, err := ceph.Ask(ctx, c, cmd)
	return err
}

// inEffect asks every OSD for the value that it uses. An OSD that uses another
// one is stackmend.ErrNotDone; one that does not answer is an error of its own,
// for nobody knows then.
func inEffect(ctx context.Context, c ceph.Commander, osds []int, name, value string) error {
	var g errgroup.Group
	g.SetLimit(ceph.MaxParallel)
	for _, id := range osds {
		g.Go(func() error {
			got, err := effective(ctx, c, id, name)
			if err == nil && !same(got, value) {
				err = fmt.Errorf("%w: osd.%d uses %s = %s, not %s", stackmend.ErrNotDone, id, name, got, value)
			}
			return err
		})
	}
	return g.Wait()
}

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
