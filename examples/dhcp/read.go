package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/stackmend/stackmend/dhcp"
	"github.com/stackmend/stackmend/examples/cli"
)

// An input is one log or capture.
type input struct {
	flag, word string
	path       string
	mac        dhcp.MAC
	format     dhcp.Format
	point      dhcp.Point // of a capture
}

// split takes MAC= off the file.
func (in *input) split() error {
	in.path = in.word
	mac, path, ok := strings.Cut(in.word, "=")
	if !ok {
		return nil
	}
	m, err := dhcp.ParseMAC(mac)
	if err != nil {
		return nil // a file whose name has a =
	}
	if in.mac, in.path = m, path; path == "" {
		return cli.Usage("-%s: %q names no file", in.flag, in.word)
	}
	return nil
}

func (s *settings) read(ctx context.Context, inputs []input, o dhcp.ReadOptions) error {
	for _, in := range inputs {
		t, err := in.read(ctx, o)
		if err != nil {
			return err
		}
		s.snapshot.Traces = append(s.snapshot.Traces, t)
	}
	return nil
}

func (in input) read(ctx context.Context, o dhcp.ReadOptions) (*dhcp.Trace, error) {
	o.MAC = in.mac
	switch {
	case in.point != "":
		return in.readCapture(ctx, o)
	case in.path == "-":
		return dhcp.ReadLog(ctx, os.Stdin, "stdin", in.format, o)
	}
	t, err := dhcp.ReadLogFiles(ctx, os.DirFS(filepath.Dir(in.path)), filepath.Base(in.path), in.format, o)
	if err != nil && ctx.Err() == nil {
		return t, cli.Usage("-%s: %v", in.flag, err)
	}
	return t, err
}

func (in input) readCapture(ctx context.Context, o dhcp.ReadOptions) (*dhcp.Trace, error) {
	if in.path == "-" {
		return dhcp.ReadCapture(ctx, os.Stdin, "stdin", in.point, o)
	}
	f, err := os.Open(in.path)
	if err != nil {
		return nil, cli.Usage("-%s: %v", in.flag, err)
	}
	defer f.Close()
	return dhcp.ReadCapture(ctx, f, filepath.Base(in.path), in.point, o)
}

// pace is how often -follow judges what came.
const pace = time.Second

// followLogs follows the logs, tells of each verdict that changes, and leaves
// the last state in the snapshot. Captures are read once, before.
func (s *settings) followLogs(ctx context.Context, inputs []input, o dhcp.ReadOptions) error {
	var followed []input
	for _, in := range inputs {
		if in.point == "" && in.path != "-" {
			followed = append(followed, in)
		} else if err := s.read(ctx, []input{in}, o); err != nil {
			return err
		}
	}
	if len(followed) == 0 {
		return cli.Usage("-follow follows logs in files: give one")
	}
	f := follower{settings: s, first: len(s.snapshot.Traces), before: map[dhcp.MAC]string{}}
	f.snapshot.Traces = append(f.snapshot.Traces, make([]*dhcp.Trace, len(followed))...)
	for i := range followed {
		f.snapshot.Traces[f.first+i] = &dhcp.Trace{Name: followed[i].path}
	}
	return f.run(ctx, followed, o)
}

// A follower gathers the traces of several logs.
type follower struct {
	*settings
	mu     sync.Mutex
	first  int
	before map[dhcp.MAC]string
}

func (f *follower) run(ctx context.Context, inputs []input, o dhcp.ReadOptions) error {
	var group sync.WaitGroup
	errs := make([]error, len(inputs))
	for i, in := range inputs {
		group.Go(func() {
			o := o
			o.MAC = in.mac
			errs[i] = dhcp.FollowLog(ctx, os.DirFS(filepath.Dir(in.path)), filepath.Base(in.path), in.format, o, pace, func(t *dhcp.Trace) { f.tell(i, t) })
			if ctx.Err() != nil { // which is how following ends
				errs[i] = nil
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func (f *follower) tell(i int, t *dhcp.Trace) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.snapshot.Traces[f.first+i] = t
	if f.until == "" { // what is followed is being written
		f.snapshot.Until = time.Now()
	}
	for _, v := range changed(dhcp.Judge(f.snapshot), f.before) {
		_ = cli.Note(f.changes, "%s %s %s: %s\n", v.Status, v.MAC, v.Code, v.Message)
	}
}
