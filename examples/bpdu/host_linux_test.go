package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend/bpdu"
	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/netns"
)

// node makes a compute node with one tap and one uplink.
func node(t *testing.T) (*netns.Namespace, bpdu.Kernel) {
	t.Helper()
	lab.Need(t, "ip", "nft")
	n := netns.New(t)
	for _, args := range []string{"link add br0 up type bridge", "tuntap add tap1 mode tap", "link set tap1 up master br0",
		"link add up0 up type veth peer name wire0", "link set up0 master br0", "link set wire0 up"} {
		n.Run("ip", strings.Fields(args)...)
	}
	return n, bpdu.Kernel{NetNS: n.FD}
}

func TestProtect(t *testing.T) {
	n, k := node(t)
	journal := filepath.Join(t.TempDir(), "journal")
	for _, c := range []struct {
		args   string
		status int
		filter bool
	}{
		{"", 1, false}, // tap-unprotected
		{"-protect all", 1, false},
		{"-protect up0", 1, false},
		{"-protect up0 -apply", 4, false},
		{"-protect all -apply", 0, true},
		{"-protect all -apply", 0, true}, // nothing to do: the check's status
		{"", 0, true},
		{"-remove -protect tap1 -apply", 0, false},
	} {
		args := append(strings.Fields(c.args), "-journal", journal)
		status, out, errs := run(t, k, args...)
		if status != c.status {
			t.Errorf("%q: status %d, want %d\n%s%s", c.args, status, c.status, out, errs)
		}
		rules := n.Run("nft", "list", "ruleset")
		if strings.Contains(rules, `device "tap1"`) != c.filter || !c.filter && rules != "" {
			t.Errorf("%q: rules\n%s", c.args, rules)
		}
	}
}

// A tap that comes while the tool watches is filtered.
func TestWatch(t *testing.T) {
	n, k := node(t)
	ctx, stop := context.WithCancel(t.Context())
	var out buffer
	done := make(chan int)
	go func() {
		done <- follow(ctx, k, []string{"-protect", "all", "-apply", "-journal", filepath.Join(t.TempDir(), "journal")},
			cli.Streams{Out: &out, Err: &out, Getenv: func(string) string { return "" }})
	}()
	until := func(device string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !strings.Contains(n.Run("nft", "list", "ruleset"), `device "`+device+`"`); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s is not filtered\n%s", device, out.String())
			}
		}
	}
	until("tap1")
	n.Run("ip", "tuntap", "add", "tap2", "mode", "tap")
	n.Run("ip", "link", "set", "tap2", "up", "master", "br0")
	until("tap2")
	stop()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("does not end")
	}
}

// buffer is written by another goroutine.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
