package bootvolume

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stackmend/stackmend/internal/lab/haproxy"
)

// A server that refuses connections loses requests of a real HAProxy that does
// not redispatch, though the other one is well.
func TestNoRedispatch(t *testing.T) {
	for option, lost := range map[string]bool{"no option redispatch": true, "option redispatch": false} {
		cinder, front := newStub(t, 1, 0), free(t)
		p := haproxy.Start(t, shortDir(t), "defaults\n mode http\n timeout connect 1s\n timeout client 1m\n timeout server 1m\n retries 1\n "+option+
			"\nlisten cinder_api\n bind "+front+"\n server a "+cinder.addr()+"\n server dead "+free(t)+"\n")
		got := batchOf(t, 6, front)
		if refused := got[http.StatusServiceUnavailable] > 0; refused != lost || got[http.StatusAccepted] == 0 {
			t.Errorf("%s: %v", option, got)
		}
		s := running(t, p, p.Socket)
		if told := slices.Contains(codes(Check(s)), CodeNoRedispatch); told != lost {
			t.Errorf("%s: %v", option, codes(Check(s)))
		}
	}
}

// A session on a listener of ours says by whom it is served.
func serveName(t *testing.T, addr, name string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close() // when the client has, as a database does
				_, _ = c.Write([]byte(name + "\n"))
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	return l
}

// A single writer that fails and comes back: the old sessions stay on the
// backup, and there are two writers, unless the backup's sessions are ended.
func TestWriterThatComesBack(t *testing.T) {
	for onUp, two := range map[string]bool{"": true, "on-marked-up shutdown-backup-sessions": false} {
		first, second, front := free(t), free(t), free(t)
		p := haproxy.Start(t, shortDir(t), "listen galera\n mode tcp\n timeout connect 1s\n timeout client 90m\n timeout server 90m\n bind "+front+
			"\n default-server check inter 100ms fall 2 rise 2 on-marked-down shutdown-sessions "+onUp+"\n server a "+first+"\n server b "+second+" backup\n")
		serveName(t, second, "b")
		if got := servedBy(t, front, "b"); got == nil {
			t.Fatal("the backup does not serve")
		}
		l := serveName(t, first, "a")
		defer l.Close()
		servedBy(t, front, "a")
		var got []string
		until(t, "told", func() bool {
			got = codes(Check(&Snapshot{Running: running(t, p, p.Socket).Running}))
			return slices.Contains(got, CodeSeveralWriters) == two
		}, func() any { return got })
		if file := codes(Check(&Snapshot{Proxies: running(t, p, p.Socket).Proxies})); slices.Contains(file, CodeSeveralWriters) != two {
			t.Errorf("%q: of the file %v", onUp, file)
		}
	}
}

// servedBy opens sessions until one is with the server that is meant, and
// keeps that one.
func servedBy(t *testing.T, front, name string) (c net.Conn) {
	t.Helper()
	until(t, "served by "+name, func() bool {
		var err error
		if c, err = net.Dial("tcp", front); err != nil {
			return false
		}
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil || strings.TrimSpace(line) != name {
			c.Close()
			return false
		}
		t.Cleanup(func() { c.Close() })
		return true
	}, func() any { return name })
	return c
}
