// Package haproxy starts a real HAProxy on loopback for tests: a master with
// a worker, as Debian runs it, with a runtime socket and a log that is a file.
//
// It needs the Debian package haproxy.
package haproxy

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
)

// A Proxy is a running HAProxy.
type Proxy struct {
	Dir    string // holds all of its files
	Config string // the path of haproxy.cfg
	Log    string // the path of what it logs
	Socket string // of its runtime API, level admin

	master *lab.Process
}

// patience is how long it may take to begin on a busy machine.
const patience = time.Minute

// Start starts HAProxy with these sections below a section global, in a folder
// whose name is short. It ends with the test.
func Start(t testing.TB, dir, sections string) *Proxy {
	t.Helper()
	lab.Need(t, "haproxy")
	p := &Proxy{Dir: dir, Config: filepath.Join(dir, "haproxy.cfg"), Log: filepath.Join(dir, "haproxy.log"), Socket: filepath.Join(dir, "h.sock")}
	p.Write(t, sections)
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("haproxy", "-W", "-db", "-S", p.control(), "-f", p.Config)
	cmd.Stdout = log
	p.master = lab.StartCmd(t, cmd)
	p.master.Until(t, "answering", func() bool { _, err := p.Ask("show version"); return err == nil })
	return p
}

// Write writes another haproxy.cfg; Reload takes it up.
func (p *Proxy) Write(t testing.TB, sections string) {
	t.Helper()
	global := "global\n    log stdout format raw local0\n    stats socket " + p.Socket + " mode 600 level admin\n    maxconn 500\n    nbthread 1\n"
	if err := os.WriteFile(p.Config, []byte(global+sections), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Reload has the master start another worker, and waits until that answers.
// The master executes itself anew for it: shortly after another reload it does
// not answer, and what it was asked then may be lost, so that it is asked again
// until it names another worker.
func (p *Proxy) Reload(t testing.TB) {
	t.Helper()
	before := ""
	p.master.Until(t, "answering", func() bool { before = p.Current(); return before != "" })
	var asked time.Time
	p.master.Until(t, "reloaded", func() bool {
		now := p.Current()
		if (now == "" || now == before) && time.Since(asked) > attempt {
			asked = time.Now()
			_, _ = ask(p.control(), "reload;quit", attempt) // what came of it is seen at the worker; without quit the master keeps the connection
		}
		return now != "" && now != before && p.worker() == now
	})
}

// attempt is how long the master may take to answer before it is asked again.
const attempt = 5 * time.Second

// Current is the PID of the worker that the master started last, or "" while it
// does not answer.
func (p *Proxy) Current() string {
	out, err := ask(p.control(), "show proc;quit", attempt)
	if err != nil {
		return ""
	}
	_, workers, _ := strings.Cut(out, "# workers\n")
	words := strings.Fields(workers)
	if len(words) < 2 || words[1] != "worker" {
		return ""
	}
	return words[0]
}

// control is the socket of the master.
func (p *Proxy) control() string { return filepath.Join(p.Dir, "m.sock") }

// Check is haproxy -c.
func (p *Proxy) Check() (string, error) {
	out, err := exec.Command("haproxy", "-c", "-f", p.Config).CombinedOutput()
	return string(out), err
}

// worker is the pid of the worker that answers.
func (p *Proxy) worker() string {
	info, err := p.Ask("show info")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(info) {
		if pid, ok := strings.CutPrefix(line, "Pid: "); ok {
			if _, err := strconv.Atoi(strings.TrimSpace(pid)); err == nil {
				return strings.TrimSpace(pid)
			}
		}
	}
	return ""
}

// Ask asks the runtime API.
func (p *Proxy) Ask(command string) (string, error) { return ask(p.Socket, command, patience) }

func ask(socket, command string, patience time.Duration) (string, error) {
	c, err := net.DialTimeout("unix", socket, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := c.Write([]byte(command + "\n")); err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

// Master waits until the master heeds signals, and returns its PID: SIGUSR2
// has it reload.
func (p *Proxy) Master(t testing.TB) int {
	t.Helper()
	p.master.Until(t, "answering", func() bool { return p.Current() != "" })
	return p.master.Process.Pid
}
