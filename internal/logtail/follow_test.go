//go:build unix

package logtail

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// tail follows dir/x.log and hands its lines over.
type tail struct {
	t     *testing.T
	dir   string
	lines chan string
	stop  context.CancelFunc
	err   chan error
}

func follow(t *testing.T, dir string, o FollowOptions) *tail {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	f := &tail{t, dir, make(chan string), stop, make(chan error, 1)}
	o.Poll = time.Millisecond
	r := Follow(ctx, os.DirFS(dir), "x.log", o)
	go func() {
		for l := range r.Lines() {
			f.lines <- string(l.Text)
		}
		f.err <- errors.Join(r.Err(), r.Close())
	}()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-f.err:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("ended with %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("does not end with its context")
		}
	})
	return f
}

func (f *tail) want(lines ...string) {
	f.t.Helper()
	for _, w := range lines {
		select {
		case got := <-f.lines:
			if got != w {
				f.t.Fatalf("%q, want %q", got, w)
			}
		case <-time.After(time.Minute):
			f.t.Fatalf("%q does not come", w)
		}
	}
}

func (f *tail) append(text string) {
	f.t.Helper()
	file, err := os.OpenFile(filepath.Join(f.dir, "x.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.WriteString(text)
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func TestFollow(t *testing.T) {
	f := follow(t, t.TempDir(), FollowOptions{})
	f.append("1\n2")
	f.want("1")
	f.append("2\n")
	f.want("22")
	rename(t, f.dir, "x.log", "x.log.1") // a writer goes on in the old file until it is told
	write(t, f.dir, "x.log.1", "1\n22\n3\n")
	f.append("4\n")
	f.want("3", "4")
	if err := os.Truncate(filepath.Join(f.dir, "x.log"), 0); err != nil {
		t.Fatal(err)
	}
	f.append("5")
	rename(t, f.dir, "x.log", "x.log.1")
	f.append("6\n")
	f.want("5", "6")
}

func TestFollowFromEnd(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "x.log", "old\n")
	f := follow(t, dir, FollowOptions{FromEnd: true})
	f.append("new\n")
	f.want("new")
}
