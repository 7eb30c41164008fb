package openstack

import (
	"io"
	"net"
	"sync"
)

// A relay passes connections on to another address, until it is cut.
type relay struct {
	from, to string

	mu    sync.Mutex
	l     net.Listener
	conns map[net.Conn]bool
}

// open begins to pass connections on.
func (r *relay) open() error {
	l, err := net.Listen("tcp", r.from)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.l, r.conns = l, map[net.Conn]bool{}
	r.mu.Unlock()
	go r.accept(l)
	return nil
}

func (r *relay) accept(l net.Listener) {
	for {
		a, err := l.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", r.to)
		if err != nil || !r.keep(l, a, b) {
			a.Close()
			continue
		}
		go pass(a, b)
		go pass(b, a)
	}
}

// keep notes the connections, unless the relay was cut in the meantime.
func (r *relay) keep(l net.Listener, conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		if r.l != l {
			c.Close()
			continue
		}
		r.conns[c] = true
	}
	return r.l == l
}

func pass(to, from net.Conn) {
	_, _ = io.Copy(to, from) // how it ends does not matter: both ends are closed
	to.Close()
	from.Close()
}

// cut ends all connections, and refuses new ones.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.l == nil {
		return
	}
	r.l.Close()
	r.l = nil
	for c := range r.conns {
		c.Close()
	}
}
