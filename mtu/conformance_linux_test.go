package mtu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/appliertest"
	"github.com/stackmend/stackmend/internal/lab"
)

// keep gives a namespace a name in dir, so that another process finds it.
func (l *lan) keep(ns, dir string) string {
	l.t.Helper()
	path := filepath.Join(dir, "ns")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		l.t.Fatal(err)
	}
	if err := unix.Mount(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(l.ns[ns].ns)), path, "", unix.MS_BIND, ""); err != nil {
		lab.Without(l.t, fmt.Sprintf("no bind mount: %v", err))
	}
	l.t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
	return path
}

// mtus are the MTUs of a namespace's links.
func mtus(links Links) func() (string, error) {
	return func() (string, error) {
		h, err := links.Read(context.Background())
		var b strings.Builder
		for _, l := range h.Links {
			fmt.Fprintf(&b, "%s %d\n", l.Name, l.MTU)
		}
		return b.String(), err
	}
}

func TestConformance(t *testing.T) {
	if os.Geteuid() != 0 {
		lab.Without(t, "network namespaces need root")
	}
	changes := []Change{{"va", 1600}, {"vb", 1600}, {"br0", 1600}}
	world := func(t testing.TB, dir string, n *Namespace) appliertest.World {
		confirm := ConfirmFile(filepath.Join(dir, "confirm"))
		w := appliertest.World{
			Applier: NewApplier(n, ApplierOptions{Confirm: confirm}),
			Look:    mtus(n),
			Spoil:   func() error { return setMTU(n, "va", 1400) },
		}
		return w
	}
	appliertest.Run(t, appliertest.Suite{
		New: func(t testing.TB, dir string) appliertest.World {
			l := newLAN(t, "h")
			l.keep("h", dir)
			l.do("h", func(h *netlink.Handle) error {
				v := netlink.NewVeth(netlink.LinkAttrs{Name: "va", MTU: 1500})
				v.PeerName, v.PeerMTU = "vb", 1500
				return h.LinkAdd(v)
			})
			l.add("h", &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}, "")
			l.enslave("h", "va", "br0")
			l.up("h", "va", "vb")
			n := l.ns["h"]
			w := world(t, dir, n)
			await(t, "carrier", func() bool {
				h := l.observe("h")[0]
				return h.link("va").Carrier && h.link("vb").Carrier && h.link("br0").Carrier
			})
			p, err := Plan(l.observe("h")[0], changes, PlanOptions{Now: time.Now(), Confirm: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "confirm"), []byte(p.ID()[:12]), 0o600); err != nil {
				t.Fatal(err)
			}
			w.Plan = p
			return w
		},
		Open: func(t testing.TB, dir string) appliertest.World {
			n, err := OpenNamespace("h", filepath.Join(dir, "ns"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { n.Close() })
			return world(t, dir, n)
		},
	})
}

func setMTU(n *Namespace, name string, mtu int) error {
	h, err := n.Read(context.Background())
	if err != nil {
		return err
	}
	return n.SetMTU(context.Background(), h.link(name).Index, name, mtu)
}

// await polls.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in two minutes", what)
		}
	}
}

var _ stackmend.Reverter = (*Applier)(nil)
