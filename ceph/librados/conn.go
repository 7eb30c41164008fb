//go:build cgo && !nolibrados

package librados

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/ceph/go-ceph/rados"

	"github.com/stackmend/stackmend/ceph"
)

// Conn is a connection to a cluster. It is a [ceph.Commander].
type Conn struct {
	conn  *rados.Conn
	slots chan struct{} // one for each call that is under way
	calls sync.WaitGroup
	mu    sync.Mutex
	done  bool // Close was called
}

// Open connects. It returns when ctx ends, even if librados hangs.
func Open(ctx context.Context, o Options) (*Conn, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil, errors.New("librados: connecting without a deadline")
	}
	conn, err := o.configure(time.Until(deadline))
	if err != nil {
		return nil, err
	}
	connected := make(chan error, 1)
	go func() { connected <- conn.Connect() }()
	select {
	case err := <-connected:
		if err != nil {
			conn.Shutdown()
			return nil, ceph.Failed(ceph.Command{To: ceph.Target{Kind: ceph.KindMon}, Prefix: "connect"}, code(err), err.Error())
		}
	case <-ctx.Done():
		go func() { // client_mount_timeout ends it
			<-connected
			conn.Shutdown()
		}()
		return nil, ceph.Lost(ceph.Command{To: ceph.Target{Kind: ceph.KindMon}, Prefix: "connect"}, ctx)
	}
	if o.Calls <= 0 {
		o.Calls = 32
	}
	return &Conn{conn: conn, slots: make(chan struct{}, o.Calls)}, nil
}

// configure makes a connection that is not connected yet.
func (o Options) configure(patience time.Duration) (*rados.Conn, error) {
	if o.Cluster == "" {
		o.Cluster = "ceph"
	}
	if o.ID == "" {
		o.ID = "admin"
	}
	if o.OSDTimeout <= 0 {
		o.OSDTimeout = time.Minute
	}
	conn, err := rados.NewConnWithClusterAndUser(o.Cluster, "client."+o.ID)
	if err != nil {
		return nil, err
	}
	read := conn.ReadDefaultConfigFile
	if o.Conf != "" {
		read = func() error { return conn.ReadConfigFile(o.Conf) }
	}
	if err := read(); err != nil {
		return nil, fmt.Errorf("librados: reading the configuration %s: %w", o.Conf, err)
	}
	options := [][2]string{
		{"client_mount_timeout", seconds(patience)},
		{"rados_osd_op_timeout", seconds(o.OSDTimeout)},
	}
	if o.Keyring != "" {
		options = append(options, [2]string{"keyring", o.Keyring})
	}
	for _, kv := range options {
		if err := conn.SetConfigOption(kv[0], kv[1]); err != nil {
			return nil, fmt.Errorf("librados: setting %s: %w", kv[0], err)
		}
	}
	return conn, nil
}

func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}

// answer is what librados gave back.
type answer struct {
	body   []byte
	status string
	err    error
}

// Command puts a command. It returns when ctx ends, while the call lives on in
// librados.
func (c *Conn) Command(ctx context.Context, cmd ceph.Command) (io.ReadCloser, error) {
	args, err := cmd.JSON()
	if err != nil {
		return nil, err
	}
	if err := c.begin(ctx, cmd); err != nil {
		return nil, err
	}
	got := make(chan answer, 1)
	go func() {
		defer c.end()
		got <- c.call(cmd, args)
	}()
	select {
	case a := <-got:
		return a.reader(cmd), nil
	case <-ctx.Done():
		return nil, ceph.Lost(cmd, ctx)
	}
}

// begin takes a place for a call, unless the connection was closed.
func (c *Conn) begin(ctx context.Context, cmd ceph.Command) error {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return ceph.Lost(cmd, ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		<-c.slots
		return fmt.Errorf("librados: %s after Close", cmd)
	}
	c.calls.Add(1)
	return nil
}

func (c *Conn) end() {
	<-c.slots
	c.calls.Done()
}

func (c *Conn) call(cmd ceph.Command, args []byte) (a answer) {
	list := [][]byte{args}
	switch cmd.To.Kind {
	case ceph.KindMon:
		a.body, a.status, a.err = c.conn.MonCommand(args)
	case ceph.KindMgr:
		a.body, a.status, a.err = c.conn.MgrCommand(list)
	case ceph.KindOSD:
		id, err := strconv.Atoi(cmd.To.ID)
		if err != nil {
			return answer{err: err}
		}
		a.body, a.status, a.err = c.conn.OsdCommand(id, list)
	case ceph.KindPG:
		a.body, a.status, a.err = c.conn.PGCommand([]byte(cmd.To.ID), list)
	}
	return a
}

func (a answer) reader(cmd ceph.Command) io.ReadCloser {
	if a.err != nil {
		status := a.status
		if status == "" {
			status = a.err.Error()
		}
		return ceph.Answer(a.body, ceph.Failed(cmd, code(a.err), status))
	}
	if cmd.Text && len(a.body) == 0 { // some releases give text as the status
		return ceph.Answer([]byte(a.status), nil)
	}
	return ceph.Answer(a.body, nil)
}

// code is the number within an error of go-ceph; 0 if it has none.
func code(err error) int {
	var coded interface{ ErrorCode() int }
	if errors.As(err, &coded) {
		return coded.ErrorCode()
	}
	return 0
}

// Close ends the connection when the last call has come back, without waiting
// for it. Commands after it are refused.
func (c *Conn) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return
	}
	c.done = true
	go func() {
		c.calls.Wait()
		c.conn.Shutdown()
	}()
}
