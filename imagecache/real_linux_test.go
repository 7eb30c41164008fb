package imagecache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/nova"
	"github.com/stackmend/stackmend/internal/lab/qemu"
)

func qemuImg(t testing.TB, dir string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("qemu-img", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("qemu-img %s: %s", strings.Join(args, " "), exit.Stderr)
		}
		t.Fatal(err)
	}
	return out
}

// What qemu-img writes is read as qemu-img reads it.
func TestRealHeaders(t *testing.T) {
	lab.Need(t, "qemu-img")
	dir := t.TempDir()
	qemuImg(t, dir, "create", "-q", "-f", "raw", "base", "4M")
	secret := "--object=secret,id=s,data=x"
	realHeader(t, dir, "v3", []string{"-f", "qcow2", "-b", "base", "-F", "raw"})
	for name, args := range map[string][]string{
		"v2":       {"-f", "qcow2", "-o", "compat=0.10", "-b", "base", "-F", "raw"},
		"absolute": {"-f", "qcow2", "-b", filepath.Join(dir, "base"), "-F", "raw"},
		"snapshot": {"-f", "qcow2", "-b", "v3", "-F", "qcow2"},
		"alone":    {"-f", "qcow2"},
		"json":     {"-f", "qcow2", "-b", `json:{"driver":"raw","file":{"driver":"file","filename":"` + dir + `/base"}}`, "-F", "raw"},
		"file":     {"-f", "qcow2", "-b", "file:" + dir + "/base", "-F", "raw"},
		"data":     {"-f", "qcow2", "-o", "data_file=data.raw"},
		"aes":      {secret, "-f", "qcow2", "-o", "encrypt.format=aes,encrypt.key-secret=s", "-b", "base", "-F", "raw"},
		"zstd":     {"-f", "qcow2", "-o", "compression_type=zstd", "-b", "base", "-F", "raw"},
		"l2":       {"-f", "qcow2", "-o", "extended_l2=on", "-b", "base", "-F", "raw"},
		"clusters": {"-f", "qcow2", "-o", "cluster_size=2M", "-b", "base", "-F", "raw"},
		"small":    {"-f", "qcow2", "-o", "cluster_size=512", "-b", "base", "-F", "raw"},
		"lazy":     {"-f", "qcow2", "-o", "lazy_refcounts=on", "-b", "base", "-F", "raw"},
		"long":     {"-u", "-f", "qcow2", "-b", "/" + strings.Repeat("x", 1022), "-F", "raw"},
		"rbd":      {"-u", "-f", "qcow2", "-b", "rbd:pool/image", "-F", "raw"},
		"qcow":     {"-f", "qcow", "-b", "base", "-F", "raw"},
	} {
		realHeader(t, dir, name, args)
	}
}

// LUKS needs a machine on which qemu-img can measure how fast it is: it tries
// some times, and on a busy one it gives up.
func TestRealLUKS(t *testing.T) {
	lab.Need(t, "qemu-img")
	dir := t.TempDir()
	qemuImg(t, dir, "create", "-q", "-f", "raw", "base", "4M")
	args := []string{"--object=secret,id=s,data=x", "-f", "qcow2", "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", "-b", "base", "-F", "raw"}
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		cmd := exec.Command("qemu-img", append(append([]string{"create", "-q"}, args...), "luks", "4M")...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err == nil {
			realHeader(t, dir, "luks", args)
			return
		}
		if !bytes.Contains(out, []byte("accurate CPU usage")) {
			t.Fatalf("%v: %s", err, out)
		}
	}
	lab.Without(t, "a qemu-img that can measure this busy machine, which it wants to before it encrypts")
}

func realHeader(t *testing.T, dir, name string, args []string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
		qemuImg(t, dir, append(append([]string{"create", "-q"}, args...), name, "4M")...)
	}
	var want struct {
		Backing  string `json:"backing-filename"`
		Format   string
		Specific struct {
			Data struct {
				DataFile string `json:"data-file"`
			}
		} `json:"format-specific"`
		Encrypted bool
	}
	if err := json.Unmarshal(qemuImg(t, dir, "info", "--output=json", name), &want); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := ReadHeader(f)
	if err != nil || h.Backing != want.Backing || h.Format != want.Format || h.DataFile != want.Specific.Data.DataFile || h.Encrypted != want.Encrypted {
		t.Errorf("%s: %+v, %v, qemu-img says %+v", name, h, err, want)
	}
	if h.Backing == "" && h.DataFile == "" && name != "alone" {
		t.Errorf("%s: refers to nothing: %+v", name, h)
	}
}

// A guest that runs on the base image: it is seen, its deleted base is
// rescued identically, and the guest's chain opens again.
func TestRealGuest(t *testing.T) {
	lab.Need(t, "qemu-img", "qemu-system-x86_64")
	c := newCloud(t, t.TempDir())
	base := c.path("_base", baseA)
	content := make([]byte, 3<<20+777)
	rand.New(rand.NewSource(1)).Read(content[:1<<20]) // the rest stays zero, as in a sparse image
	c.write(filepath.Join("_base", baseA), content)
	c.must(os.Chmod(base, 0o640))
	c.must(os.Chown(base, 64055, 64055))
	disk := c.path(serverA, "disk")
	qemuImg(t, c.dir, "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", disk)
	q := qemu.Hold(t, disk)
	c.see(os.Getppid()) // someone else, who has it not
	q.Until(t, "locking its base", func() bool { return len(c.observe().Users[baseA]) > 0 })
	if who := c.observe().Users[baseA]; who[0] != "an unseen process that locks it as qemu does" {
		t.Errorf("seen by its locks alone: %q", who)
	}
	c.see(q.Process.Pid)
	if who := c.observe().Users[baseA]; !strings.HasPrefix(who[0], "qemu-system-x86 (pid ") {
		t.Errorf("seen in /proc: %q", who)
	}

	c.must(os.Remove(base))
	s := c.observe()
	r, err := Check(s, Policy{})
	c.must(err)
	if f := find(t, r, MissingBase); !strings.HasPrefix(f.Fix, "rescue it now") {
		t.Errorf("%+v", f)
	}
	plan, err := Rescue(s, Policy{})
	c.must(err)
	c.apply(plan)
	got, err := os.ReadFile(base)
	c.must(err)
	if sha256.Sum256(got) != sha256.Sum256(content) {
		t.Error("the rescued image differs")
	}
	info, err := os.Stat(base)
	c.must(err)
	i := infoAt(t, base)
	if info.Mode() != 0o640 || i.UID != 64055 || i.GID != 64055 || time.Since(info.ModTime()) > time.Hour {
		t.Errorf("mode %v, owner %d:%d, time %v", info.Mode(), i.UID, i.GID, info.ModTime())
	}
	if i.Bytes > 2<<20 {
		t.Errorf("the holes were filled: %d bytes on disk", i.Bytes)
	}
	if out := qemuImg(t, c.dir, "info", "-U", "--backing-chain", disk); !bytes.Contains(out, []byte(baseA)) {
		t.Errorf("%s", out)
	}
}

// A guest goes on when its base is moved away, and starts again when it is
// moved back.
func TestRealQuarantineAndRestore(t *testing.T) {
	lab.Need(t, "qemu-img")
	c := newCloud(t, t.TempDir())
	c.apply(c.quarantine(Policy{}))
	entry := c.entry()
	disk := c.path(serverB, "disk.late")
	qemuImg(t, c.dir, "create", "-q", "-u", "-f", "qcow2", "-b", c.path("_base", unused), "-F", "raw", disk, "4M")
	r, err := Check(c.observe(), Policy{})
	c.must(err)
	if f := find(t, r, MissingBase); f.Fix != "restore it from the quarantine: "+filepath.Base(entry) {
		t.Errorf("%+v", f)
	}
	if p, err := Purge(c.observe(), Policy{Retention: 1}); err != nil || len(p.Steps) > 0 || !strings.Contains(p.Kept[0].Reason, "disk.late") {
		t.Errorf("%+v, %v", p, err)
	}
	plan, err := Restore(c.observe(), []string{unused}, Policy{})
	c.must(err)
	c.apply(plan)
	qemuImg(t, c.dir, "info", "--backing-chain", disk)
}

// nova's lock is one lock for nova and for us, both ways round.
func TestRealNovaLock(t *testing.T) {
	nova.Need(t)
	c := newCloud(t, t.TempDir())
	root, err := openFolder(c.dir)
	c.must(err)
	defer root.close()
	if !nova.TryLock(t, c.dir, unused) {
		t.Fatal("nobody has it, and oslo does not get it")
	}
	l, err := lockImage(t.Context(), root, unused)
	c.must(err)
	if nova.TryLock(t, c.dir, unused) {
		t.Error("we have it, and oslo gets it")
	}
	l.release()
	if !nova.TryLock(t, c.dir, unused) {
		t.Error("we gave it back, and oslo does not get it")
	}

	release := nova.HoldLock(t, c.dir, unused)
	plan := c.quarantine(Policy{})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err = c.world(plan).Applier.Do(ctx, plan.Steps[0], &stackmend.Work{})
	if !errors.Is(err, stackmend.ErrLocked) || !strings.Contains(err.Error(), "locks/nova-"+unused) {
		t.Errorf("nova has it, and Do says %v", err)
	}
	release()
	c.apply(plan)
}
