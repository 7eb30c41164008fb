package bpdu

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/netns"
)

// BenchmarkForwarding sends TCP from an instance over its tap and the bridge
// to the uplink, by turns with and without our filter in one run. What counts
// is the one beside the other.
func BenchmarkForwarding(b *testing.B) {
	lab.Need(b, "ip")
	node := newNamespace(b)
	instance, network := netns.New(b), netns.New(b)
	for name, ns := range map[string]*netns.Namespace{"tap1": instance, "up0": network} {
		node.veth(name, "peer")
		peer, err := node.LinkByName("peer")
		node.must(err)
		node.must(node.LinkSetNsFd(peer, ns.FD))
		address := map[string]string{"tap1": "192.0.2.1/24", "up0": "192.0.2.2/24"}[name]
		ns.Run("ip", "address", "add", address, "dev", "peer")
		ns.Run("ip", "link", "set", "peer", "up")
	}
	node.bridge("br0", node.up("tap1"), node.up("up0"))
	conn := connect(b, instance, network, "192.0.2.2")
	const chunk = 64 << 20
	data := make([]byte, 1<<20)
	for _, filtered := range []bool{false, true, false, true} {
		name := "without the filter"
		table, err := node.table()
		node.must(err)
		if filtered {
			name = "with the filter"
			node.must(node.replace(table, []string{"tap1"}))
		} else {
			node.must(node.replace(table, nil))
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(chunk)
			for b.Loop() {
				for range chunk / len(data) {
					if _, err := conn.Write(data); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// connect makes a TCP connection from one namespace to a sink in another.
func connect(b *testing.B, from, to *netns.Namespace, address string) (conn net.Conn) {
	b.Helper()
	var l net.Listener
	err := to.In(func() (err error) {
		l, err = net.Listen("tcp4", net.JoinHostPort(address, "0"))
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	err = from.In(func() (err error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp4", l.Addr().String())
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return conn
}
