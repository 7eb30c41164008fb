package openstack

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
)

// python is the interpreter that Debian's packages install into, whatever
// else PATH has.
const python = "/usr/bin/python3"

// patience is how long a service may take to begin on a slow, busy machine.
const patience = 6 * time.Minute

// env is the environment of every service, and nothing of the caller's.
func (c *Cloud) env(more ...string) []string {
	return append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + filepath.Join(c.Dir, "state"), "LC_ALL=C.UTF-8",
		"PYTHONPATH=" + filepath.Join(c.Dir, "py"), "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore"}, more...)
}

// conf is the path of a configuration file.
func (c *Cloud) conf(name string) string { return filepath.Join(c.Dir, "conf", name) }

// start starts a service that prints into its log.
func (c *Cloud) start(name string, cmd *exec.Cmd) {
	out, err := os.OpenFile(c.Log(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Error(err)
		return
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = c.Dir
	p := lab.StartCmd(c.t, cmd)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.services[name] = p
}

// wsgi starts an API in uwsgi. Its workers die with its master.
func (c *Cloud) wsgi(name string, port int, file string, env ...string) {
	cmd := exec.Command("uwsgi", "--plugin", "python3", "--http-socket", fmt.Sprintf("%s:%d", c.Addr, port), "--wsgi-file", file,
		"--master", "--processes", "1", "--threads", "1", "--enable-threads", "--need-app", "--lazy-apps", "--no-orphans",
		"--buffer-size", "65535", "--die-on-term", "--disable-logging", "--thunder-lock", "--add-header", "Connection: close")
	if n, ok := strings.CutPrefix(name, "cinder-api"); ok { // it knows no variable for its configuration
		cmd.Args = append(cmd.Args, "--pyargv", "--config-file "+c.conf("cinder"+n+".conf"))
	}
	cmd.Env = c.env(env...)
	c.start(name, cmd)
}

// entry is a command that runs an entry point of a package.
func (c *Cloud) entry(name, function string, arg ...string) *exec.Cmd {
	cmd := exec.Command(python, append([]string{filepath.Join(c.Dir, "py", "entry.py"), name, function}, arg...)...)
	cmd.Env = c.env()
	return cmd
}

// run runs a command to its end.
func (c *Cloud) run(cmd *exec.Cmd) error {
	if cmd.Env == nil {
		cmd.Env = c.env()
	}
	cmd.Dir = c.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, tail(out))
	}
	return nil
}

// listening waits until a service takes connections.
func (c *Cloud) listening(name string, port int) error {
	return c.until(name, func() error {
		conn, err := net.Dial("tcp", net.JoinHostPort(c.Addr, strconv.Itoa(port)))
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// answering waits until an API answers anything at all.
func (c *Cloud) answering(name string, port int) error {
	client := http.Client{Timeout: time.Minute}
	return c.until(name, func() error {
		resp, err := client.Get(fmt.Sprintf("http://%s:%d/", c.Addr, port))
		if err == nil {
			resp.Body.Close()
		}
		return err
	})
}

// until polls until there is no error, and gives up when the service has
// ended.
func (c *Cloud) until(name string, try func() error) error {
	c.mu.Lock()
	p := c.services[name]
	c.mu.Unlock()
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		err := try()
		switch {
		case err == nil:
			return nil
		case p == nil:
			return errors.New(name + " was not started")
		case p.Ended():
			return fmt.Errorf("%s has ended\n%s", name, c.tail(name))
		case time.Now().After(end):
			return fmt.Errorf("%s: not ready after %v: %w\n%s", name, patience, err, c.tail(name))
		}
	}
}

// tail is the end of a service's log.
func (c *Cloud) tail(name string) string {
	b, err := os.ReadFile(c.Log(name))
	if err != nil {
		return err.Error()
	}
	return string(tail(b))
}

func tail(b []byte) []byte { return bytes.TrimSpace(b[max(0, len(b)-2000):]) }

// explain prints the errors in the logs of a test that failed.
func (c *Cloud) explain() {
	if !c.t.Failed() {
		return
	}
	logs, _ := filepath.Glob(filepath.Join(c.Dir, "log", "*.log"))
	for _, path := range logs {
		b, _ := os.ReadFile(path)
		var found []string
		for line := range strings.Lines(string(b)) {
			if strings.Contains(line, " ERROR ") {
				found = append(found, line)
			}
		}
		if n := len(found); n > 0 {
			c.t.Logf("%s, the last errors:\n%s", filepath.Base(path), strings.Join(found[max(0, n-12):], ""))
		}
	}
}
