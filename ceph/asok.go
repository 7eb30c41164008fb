package ceph

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path"
	"regexp"
	"strconv"
	"time"
)

// AdminSocket is a Commander for the one daemon that listens on a socket of
// this host. It needs no keys and no monitor, and reaches a Luminous OSD,
// which knows dump_mempools only here.
//
// The protocol (src/common/admin_socket.cc at v16.2.15): JSON and one zero
// byte; back come four bytes of length, most significant first, and the body.
// Errors are text within the body. A frozen daemon accepts and never answers,
// so the context needs a deadline.
type AdminSocket struct {
	Path   string
	Daemon Target // whose socket it is; commands to others are refused
}

// Command asks the daemon.
func (s AdminSocket) Command(ctx context.Context, c Command) (io.ReadCloser, error) {
	if c.To != s.Daemon {
		return nil, fmt.Errorf("ceph: %s is the socket of %s, not of %s", s.Path, s.Daemon, c.To)
	}
	ask, err := c.JSON()
	if err != nil {
		return nil, err
	}
	if _, ok := ctx.Deadline(); !ok {
		return nil, fmt.Errorf("ceph: %s: a command without a deadline", c)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", s.Path)
	if err != nil {
		return nil, &CommandError{Command: c.String(), Err: err}
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	body, err := converse(conn, ask)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, Lost(c, ctx)
	case err != nil:
		return nil, &CommandError{Command: c.String(), Err: err}
	}
	if code, text, ok := inBand(body); ok {
		return nil, Failed(c, code, text)
	}
	return Answer(body, nil), nil
}

// converse sends a command and reads the reply.
func converse(conn io.ReadWriter, ask []byte) ([]byte, error) {
	if _, err := conn.Write(append(ask, 0)); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, fmt.Errorf("no reply: %w", err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxAnswer {
		return nil, errTooLarge
	}
	var body bytes.Buffer
	if _, err := io.CopyN(&body, conn, int64(n)); err != nil {
		return nil, fmt.Errorf("reply cut after %d of %d bytes: %w", body.Len(), n, err)
	}
	return body.Bytes(), nil
}

// inBandError is how an admin socket says no: `ERROR: (22) Invalid argument`.
var inBandError = regexp.MustCompile(`^ERROR: \((-?\d{1,4})\) ([^\n]*)\n?`)

func inBand(body []byte) (code int, text string, ok bool) {
	m := inBandError.FindSubmatch(body)
	if m == nil {
		return 0, "", false
	}
	code, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return 0, "", false
	}
	return code, string(bytes.TrimSpace(body[len("ERROR: "):])), true
}

// Local puts commands to OSDs of this host to their admin sockets, and all
// others to Next.
type Local struct {
	Next    Commander
	Sockets map[int]string // of an OSD, by its number
}

// Command asks the socket if there is one.
func (l Local) Command(ctx context.Context, c Command) (io.ReadCloser, error) {
	if c.To.Kind == KindOSD {
		if id, err := strconv.Atoi(c.To.ID); err == nil && l.Sockets[id] != "" {
			return AdminSocket{l.Sockets[id], c.To}.Command(ctx, c)
		}
	}
	return l.Next.Command(ctx, c)
}

var osdSocket = regexp.MustCompile(`(?:^|-)osd\.(\d+)\.asok$`)

// FindSockets finds the admin sockets of OSDs below a folder: /run/ceph has
// them as ceph-osd.3.asok, cephadm's one folder deeper. A socket remains when
// its daemon has gone: finding one proves nothing.
func FindSockets(root string, tree fs.FS) (map[int]string, error) {
	found := map[int]string{}
	for _, pattern := range []string{"*.asok", "*/*.asok"} {
		names, err := fs.Glob(tree, pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			m := osdSocket.FindStringSubmatch(path.Base(name))
			if m == nil {
				continue
			}
			if id, err := strconv.Atoi(m[1]); err == nil {
				found[id] = path.Join(root, name)
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("ceph: no admin socket of an OSD below %s: %w", root, fs.ErrNotExist)
	}
	return found, nil
}
