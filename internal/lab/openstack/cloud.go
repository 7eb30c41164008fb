package openstack

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

// Computes are the hosts that run instances: c01 and c02 in cell1, c03 in
// cell2.
var Computes = []string{"c01", "c02", "c03"}

// A Cloud is a running OpenStack. Its methods fail the test on any error; they
// are for the goroutine of the test.
type Cloud struct {
	Dir  string // of everything it writes
	Addr string // of every service, each at its usual port

	t        testing.TB
	db       *mariadb.Server
	cell2    *relay // between everyone and the database of cell2
	admin    *login
	mu       sync.Mutex // guards services
	services map[string]*lab.Process
	images   map[string]string
	networks map[string]string
	flavors  map[string]string
}

// Start starts a cloud that ends with the test. It holds images, networks and
// flavors (see Image, Network), and no server. Its lists come in pages of two
// or three rows.
func Start(t testing.TB) *Cloud {
	t.Helper()
	Need(t)
	c := &Cloud{Dir: folder(t), Addr: Address(t), t: t, services: map[string]*lab.Process{},
		images: map[string]string{}, networks: map[string]string{}, flavors: map[string]string{}}
	t.Cleanup(c.explain)
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"the configuration", c.configure},
		{"database and message queue", c.base},
		{"the services", c.serve},
		{"logging in", c.signInAdmin},
		{"a pool for volumes", c.poolKnown},
		{"images, networks and flavors", c.seed},
	} {
		begun := time.Now()
		if err := step.do(); err != nil {
			t.Fatalf("the cloud: %s: %v", step.what, err)
		}
		t.Logf("the cloud: %s: %.1fs", step.what, time.Since(begun).Seconds())
	}
	return c
}

// Need says that a test cannot run without Debian's packages.
func Need(t testing.TB) {
	t.Helper()
	lab.Need(t, python, "mariadbd", "mariadb-install-db", "uwsgi", "qemu-img", "epmd", rabbitmq)
	probe := "import keystone, placement, glance, neutron, cinder, nova"
	if out, err := exec.Command(python, "-c", probe).CombinedOutput(); err != nil {
		lab.Without(t, fmt.Sprintf("the packages of OpenStack: %v: %s", err, out))
	}
}

// folder is removed after the processes that write to it have ended. Its name
// is short, for sockets.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "os")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Address finds a loopback address that nobody uses, so that two clouds, or a
// cloud and what stands before it, run beside each other with every service at
// its usual port.
func Address(t testing.TB) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.%d.%d.%d", 16+rand.IntN(200), rand.IntN(256), 1+rand.IntN(254))
		l, err := net.Listen("tcp", addr+":5000")
		if err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free address on loopback")
	return ""
}

// Instances is the instances directory, which all computes share.
func (c *Cloud) Instances() string { return filepath.Join(c.Dir, "instances") }

// Log is the file that a service logs to, such as "nova-api", "nova-compute-c01"
// or "cinder-volume".
func (c *Cloud) Log(service string) string { return filepath.Join(c.Dir, "log", service+".log") }
