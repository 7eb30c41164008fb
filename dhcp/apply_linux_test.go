package dhcp_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/dhcp"
	"github.com/stackmend/stackmend/internal/appliertest"
	"github.com/stackmend/stackmend/internal/lab/qemu"
	"github.com/stackmend/stackmend/internal/lab/virtlogd"
)

// A guest is a domain of a real libvirtd and a real qemu. Nothing runs in it:
// whether it lives is told by a file.
type guest struct {
	dhcp.Libvirt
	life string
}

func (g guest) Sign(context.Context, dhcp.MAC, time.Time, bool) (dhcp.Sign, error) {
	i, err := os.Stat(g.life)
	if errors.Is(err, fs.ErrNotExist) {
		i, err = os.Stat(g.byItself())
	}
	if errors.Is(err, fs.ErrNotExist) {
		return dhcp.Sign{}, nil
	}
	if err != nil {
		return dhcp.Sign{}, err
	}
	return dhcp.Sign{At: i.ModTime(), What: "it lives"}, nil
}

// byItself is there when the instance came back before anything was done.
func (g guest) byItself() string { return g.life + " by itself" }

func (g guest) applier() revived {
	return revived{&dhcp.Applier{Link: g, Agent: g, Witness: g, Pause: time.Millisecond, Poll: 10 * time.Millisecond}, g.life}
}

// A revived instance lives once its cable is put back, and no longer when that
// is undone.
type revived struct {
	*dhcp.Applier
	life string
}

func (r revived) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	if s.Verb == dhcp.VerbLinkUp {
		if err := os.WriteFile(r.life, nil, 0o600); err != nil {
			return err
		}
	}
	return r.Applier.Do(ctx, s, w)
}

func (r revived) Revert(ctx context.Context, s stackmend.Step) error {
	if err := os.Remove(r.life); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return r.Applier.Revert(ctx, s)
}

const uuid = "7c1f8b1e-0d0c-4d3c-9f0a-0d5f4a1b2c3d"

// domain starts libvirtd and a domain with one device.
func domain(t *testing.T) dhcp.Libvirt {
	t.Helper()
	l := virtlogd.Start(t, virtlogd.Config{StdioHandler: "file"})
	image := filepath.Join(t.TempDir(), "disk")
	qemu.Raw(t, image)
	l.Domain(t, "instance-00000001", uuid, image, fmt.Sprintf("<interface type='user'><mac address='%s'/><model type='virtio'/></interface>", instance))
	return dhcp.Libvirt{Command: l.Virsh()}
}

// TestLibvirt: a real link goes down and up; what is not there is not there.
func TestLibvirt(t *testing.T) {
	l := domain(t)
	ctx := t.Context()
	for _, up := range []bool{false, true} {
		if err := l.SetLink(ctx, uuid, instance, up); err != nil {
			t.Fatal(err)
		}
		if got, err := l.Link(ctx, "instance-00000001", instance); err != nil || got != up {
			t.Fatalf("link is up: %v, %v", got, err)
		}
	}
	if all, err := l.Instances(ctx); err != nil || len(all) != 1 || all[0].MAC != instance || all[0].ID != uuid || all[0].Domain != "instance-00000001" {
		t.Errorf("%+v, %v", all, err)
	}
	for _, c := range []struct {
		domain string
		mac    dhcp.MAC
	}{{"no-such", instance}, {uuid, dhcp.MAC{2}}, {"--all", instance}} {
		if _, err := l.Link(ctx, c.domain, c.mac); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s %s: %v", c.domain, c.mac, err)
		}
	}
	if _, err := l.Link(ctx, "", instance); !errors.Is(err, stackmend.ErrRefused) {
		t.Errorf("no domain: %v", err)
	}
	if err := l.RestartNetworking(ctx, uuid); err == nil {
		t.Error("a guest without an agent restarted its networking")
	}
	t.Run("help", func(t *testing.T) { testHelp(t, l) })
}

// world is a guest whose instance is deaf, and a plan to help it.
func world(t testing.TB, l dhcp.Libvirt, dir string) (guest, *stackmend.Plan) {
	t.Helper()
	if err := l.SetLink(t.Context(), uuid, instance, true); err != nil {
		t.Fatal(err)
	}
	p, err := dhcp.Plan(failure(t, "rx-dead", known), dhcp.Selection{All: true}, dhcp.PlanOptions{Now: time.Now(), Wait: 100 * time.Millisecond})
	if err != nil || len(p.Steps) != 2 {
		t.Fatal(p, err)
	}
	return guest{l, filepath.Join(dir, "life")}, p
}

// TestConformance: the Applier on a real libvirt.
func TestConformance(t *testing.T) {
	t.Parallel()
	place := func(dir string) string { return filepath.Join(dir, "virsh") }
	open := func(t testing.TB, dir string) appliertest.World {
		b, err := os.ReadFile(place(dir))
		if err != nil {
			t.Fatal(err)
		}
		g := guest{dhcp.Libvirt{Command: strings.Split(string(b), "\n")}, filepath.Join(dir, "life")}
		return appliertest.World{Applier: g.applier(), Look: g.look, Spoil: func() error { return os.WriteFile(g.byItself(), nil, 0o600) }}
	}
	var l dhcp.Libvirt
	if os.Getenv("APPLIERTEST_PLACE") == "" {
		l = domain(t)
	}
	appliertest.Run(t, appliertest.Suite{
		New: func(t testing.TB, dir string) appliertest.World {
			if err := os.WriteFile(place(dir), []byte(strings.Join(l.Command, "\n")), 0o600); err != nil {
				t.Fatal(err)
			}
			w := open(t, dir)
			_, w.Plan = world(t, l, dir)
			return w
		},
		Open: open,
	})
}

func (g guest) look() (string, error) {
	up, err := g.Link(context.Background(), uuid, instance)
	sign, err2 := g.Sign(context.Background(), instance, time.Time{}, false)
	return fmt.Sprintf("link up %v, alive %v", up, !sign.At.IsZero()), errors.Join(err, err2)
}

// deaf is an instance that no remedy brings back.
type deaf struct{ guest }

func (deaf) Sign(context.Context, dhcp.MAC, time.Time, bool) (dhcp.Sign, error) {
	return dhcp.Sign{}, nil
}

// testHelp: a remedy that does not help is said not to be done, and leaves the
// link up.
func testHelp(t *testing.T, l dhcp.Libvirt) {
	g, p := world(t, l, t.TempDir())
	a := g.applier().Applier
	a.Witness = deaf{g}
	r, err := stackmend.Run(t.Context(), p, a, stackmend.Options{Mode: stackmend.Apply})
	if err == nil || !strings.Contains(appliertest.Describe(r), "did not help") {
		t.Errorf("%v\n%s", err, appliertest.Describe(r))
	}
	if up, err := l.Link(t.Context(), uuid, instance); err != nil || !up {
		t.Errorf("the link was left down: %v", err)
	}
	for name, broken := range map[string]*dhcp.Applier{"no libvirt": {Witness: g}, "no witness": {Link: g}, "nothing": {}} {
		if _, err := stackmend.Run(t.Context(), p, broken, stackmend.Options{Mode: stackmend.Apply}); !errors.Is(err, stackmend.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
