package ceph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/stackmend/stackmend"
)

// CLI is a Commander that runs the `ceph` command, in a child process that is
// killed with all of its group when the context ends: it comes back even if
// librados would hang for ever. The child inherits the environment.
type CLI struct {
	Path    string // of the ceph program; empty: "ceph", looked for in PATH
	Conf    string // --conf
	ID      string // --id: the user without "client."
	Keyring string // --keyring
	Cluster string // --cluster
}

// Command runs one command. A context without a deadline is refused: a
// command line that waits for a monitor waits for ever.
func (c CLI) Command(ctx context.Context, cmd Command) (io.ReadCloser, error) {
	argv, err := c.argv(ctx, cmd)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	path := c.Path
	if path == "" {
		path = "ceph"
	}
	child := &child{cmd: exec.Command(path, argv...), asked: cmd, ctx: ctx, out: r, done: make(chan struct{})}
	child.cmd.Stdout, child.cmd.Stderr = w, &child.stderr
	child.cmd.WaitDelay = 2 * time.Second // for a grandchild that holds stderr
	ownGroup(child.cmd)
	err = child.launch()
	w.Close()
	if err != nil {
		r.Close()
		return nil, &CommandError{Command: cmd.String(), Err: err}
	}
	child.stop = context.AfterFunc(ctx, child.kill)
	return child, nil
}

func (c CLI) argv(ctx context.Context, cmd Command) ([]string, error) {
	if err := cmd.Valid(); err != nil {
		return nil, err
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil, fmt.Errorf("ceph: %s: a command without a deadline", cmd)
	}
	var argv []string
	for _, o := range [][2]string{{"--conf", c.Conf}, {"--id", c.ID}, {"--keyring", c.Keyring}, {"--cluster", c.Cluster}} {
		if o[1] != "" {
			argv = append(argv, o[0], o[1])
		}
	}
	wait := max(1, int(time.Until(deadline).Seconds()))
	argv = append(argv, "--connect-timeout", strconv.Itoa(wait))
	if !cmd.Text {
		argv = append(argv, "--format", "json")
	}
	switch cmd.To.Kind {
	case KindOSD:
		argv = append(argv, "tell", cmd.To.String())
	case KindPG:
		argv = append(argv, "tell", cmd.To.ID)
	}
	words, err := cmd.words()
	return append(argv, words...), err
}

// child is a running ceph command and the reader of its answer.
type child struct {
	cmd    *exec.Cmd
	asked  Command
	ctx    context.Context
	out    *os.File
	stderr tail
	done   chan struct{} // closed when the process was waited for
	err    error         // of the wait; read after done
	stop   func() bool
	empty  bool // nothing was read
	text   io.Reader
}

// kill ends the process group and whoever waits for its output.
func (c *child) kill() {
	killGroup(c.cmd.Process)
	_ = c.out.SetReadDeadline(time.Now()) // an error: closed already
}

func (c *child) Read(p []byte) (int, error) {
	if c.text != nil {
		return c.text.Read(p)
	}
	n, err := c.out.Read(p)
	switch {
	case n > 0 || err == nil:
		c.empty = false
		return n, nil
	case c.ctx.Err() != nil:
		return 0, Lost(c.asked, c.ctx)
	case err != io.EOF:
		return 0, &CommandError{Command: c.asked.String(), Err: err}
	}
	return c.ended(p)
}

// ended says how the process ended, once its output has.
func (c *child) ended(p []byte) (int, error) {
	select {
	case <-c.done:
	case <-c.ctx.Done():
		return 0, Lost(c.asked, c.ctx)
	}
	if c.ctx.Err() != nil && c.err != nil {
		return 0, Lost(c.asked, c.ctx)
	}
	var exit *exec.ExitError
	switch {
	case c.err == nil && c.asked.Text && c.empty:
		// Some releases print what was asked for as the status: on stderr.
		c.text = bytes.NewReader(c.stderr.bytes())
		return c.text.Read(p)
	case c.err == nil:
		return 0, io.EOF
	case errors.As(c.err, &exit) && exit.ExitCode() > 1:
		return 0, Failed(c.asked, exit.ExitCode(), string(c.stderr.bytes()))
	case errors.As(c.err, &exit) && bytes.Contains(c.stderr.bytes(), []byte("timed out")):
		// Its own --connect-timeout, which is rounded down, came before ours.
		return 0, &CommandError{Command: c.asked.String(), Status: string(c.stderr.bytes()),
			Err: fmt.Errorf("%w, %w", stackmend.ErrUncertain, stackmend.ErrTimeout)}
	case errors.As(c.err, &exit) && bytes.Contains(c.stderr.bytes(), []byte("EPERM")):
		return 0, Failed(c.asked, codeNotPermitted, string(c.stderr.bytes()))
	}
	// Status 1 is also what the command ends with when it fails by itself.
	return 0, &CommandError{Command: c.asked.String(), Status: string(c.stderr.bytes()), Err: c.err}
}

// Close ends the command if it still runs.
func (c *child) Close() error {
	c.stop()
	killGroup(c.cmd.Process)
	<-c.done
	return c.out.Close()
}

// tail keeps the last 16 KiB of what is written.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - 16<<10; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.buf)
}
