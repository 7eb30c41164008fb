package watchdog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/librados"
	"github.com/stackmend/stackmend/ceph/supervisor"
	"github.com/stackmend/stackmend/internal/lab"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

// bench is a real cluster whose OSDs lie in groups with limits, and leak when
// they are told to.
type bench struct {
	*labceph.Cluster
	groups map[int]string
}

const realLimit = 900 << 20

func newBench(t *testing.T) *bench {
	t.Helper()
	lab.Need(t, append(labceph.Programs(), "gcc")...)
	dir, err := os.MkdirTemp("", "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	so := filepath.Join(dir, "leak.so")
	if out, err := exec.Command("gcc", "-O1", "-shared", "-fPIC", "-o", so, "testdata/leak.c", "-lpthread").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b := &bench{groups: map[int]string{}}
	for id := range 2 {
		b.groups[id] = namedGroup(t, fmt.Sprintf("%d", id), realLimit)
	}
	if b.Cluster, err = labceph.Up(filepath.Join(dir, "c")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Down(); err != nil {
			t.Error(err)
		}
	})
	b.Furnish = func(name string, cmd *exec.Cmd) {
		id, ok := strings.CutPrefix(name, "osd.")
		if n, err := strconv.Atoi(id); ok && err == nil && b.groups[n] != "" {
			cmd.Env = append(os.Environ(), "LEAK="+b.leakFile(n))
			// The shell puts itself into the group and becomes the daemon, with
			// the leak in it.
			cmd.Args = append([]string{"sh", "-c", `echo $$ >"$1/cgroup.procs"; p=$2; so=$3; shift 3; LD_PRELOAD=$so exec "$p" "$@"`, "sh", b.groups[n], cmd.Path, so}, cmd.Args[1:]...)
			cmd.Path = "/bin/sh"
		}
	}
	for id := range b.groups {
		b.restart(t, id)
	}
	if err := b.Healthy(); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) leakFile(id int) string { return filepath.Join(b.Dir, "leak."+strconv.Itoa(id)) }

func (b *bench) leak(t testing.TB, rate string, ids ...int) {
	t.Helper()
	for _, id := range ids {
		write(t, b.leakFile(id), rate)
	}
}

func (b *bench) restart(t testing.TB, id int) {
	t.Helper()
	name := "osd." + strconv.Itoa(id)
	if err := errors.Join(b.End(name, syscall.SIGTERM), b.Start(name)); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) kills(t testing.TB) (n int64) {
	t.Helper()
	for _, dir := range b.groups {
		text, err := os.ReadFile(filepath.Join(dir, "memory.oom_control"))
		if err != nil {
			t.Fatal(err)
		}
		n += field(text, "oom_kill")
	}
	return n
}

// namedGroup is memoryGroup with a name of its own.
func namedGroup(t testing.TB, name string, limit int64) string {
	t.Helper()
	dir := filepath.Join("/sys/fs/cgroup/memory", "stackmend-"+strconv.Itoa(os.Getpid())+"-osd"+name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		lab.Without(t, "a memory controller of version 1: "+err.Error())
	}
	t.Cleanup(func() {
		for range 200 {
			if os.Remove(dir) == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Errorf("%s is not empty", dir)
	})
	write(t, filepath.Join(dir, "memory.limit_in_bytes"), strconv.FormatInt(limit, 10))
	return dir
}

// children supervises the OSDs that are children of this test: their leak ends
// with the process, as a restart ends a real one.
type children struct {
	supervisor.Process
	b *bench
}

func (c children) Do(ctx context.Context, change supervisor.Change) error {
	if change.Action != supervisor.Start {
		return c.Process.Do(ctx, change)
	}
	if err := os.Remove(c.b.leakFile(change.OSD)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := c.b.Start("osd." + strconv.Itoa(change.OSD)); err != nil {
		return err
	}
	for { // the shell has yet to become the daemon
		st, err := c.State(ctx, change.OSD)
		if err != nil || st.Running {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// host is the watchdog of the host on which osd.id lies.
func (b *bench) host(t testing.TB, id int, apply bool, events func(Event)) *Watch {
	t.Helper()
	s, err := NewSampler(SamplerOptions{Words: []string{b.Conf, strconv.Itoa(id)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	sockets, err := ceph.FindSockets(filepath.Join(b.Dir, "asok"), os.DirFS(filepath.Join(b.Dir, "asok")))
	if err != nil {
		t.Fatal(err)
	}
	to := ceph.Local{Next: b.reach(t), Sockets: sockets}
	claims, err := NewClaims(to, "host"+strconv.Itoa(id), ClaimOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewApplier(Site{Cluster: to, Supervisor: children{supervisor.Process{Args: []string{b.Conf}}, b}, Claims: claims, Policy: Policy{Settle: 5 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	w := &Watch{Sampler: s, Applier: a, Policy: Policy{Settle: 5 * time.Second}, OnEvent: events,
		History: History{{OSD: id, At: time.Now().Add(-time.Hour), Stop: 5 * time.Second, Cycle: 25 * time.Second}}}
	if apply {
		w.Run.Mode, w.Acts = stackmend.Apply, true
	}
	return w
}

// reach is librados where it was built in: it starts no program.
func (b *bench) reach(t testing.TB) ceph.Commander {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := librados.Open(ctx, librados.Options{Conf: b.Conf, ID: "admin", Keyring: b.Admin})
	if errors.Is(err, errors.ErrUnsupported) {
		return ceph.CLI{Conf: b.Conf, Keyring: b.Admin}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// writer writes objects until it is told to stop, and returns those that were
// acknowledged.
func (b *bench) writer(ctx context.Context) func() []string {
	var acked []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			name := "o" + strconv.Itoa(i)
			file := filepath.Join(b.Dir, "object")
			if os.WriteFile(file, []byte(name), 0o600) == nil && b.Rados("-p", "test", "put", name, file) == nil {
				acked = append(acked, name)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	return func() []string { <-done; return acked }
}
