package bootvolume

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
)

// ask the real oslo.config as nova-compute does.
const novaCompute = `
import sys
from oslo_config import cfg
c = cfg.ConfigOpts()
c.register_opts([cfg.IntOpt("block_device_allocate_retries", default=60), cfg.IntOpt("block_device_allocate_retries_interval", default=3), cfg.IntOpt("other", default=1)])
c(sys.argv[1:], project="nova", prog="nova-compute")
print(c.block_device_allocate_retries, c.block_device_allocate_retries_interval)
`

// What is in effect is what the real oslo.config says, for each command line.
func TestNovaConfAsOsloReads(t *testing.T) {
	const python = "/usr/bin/python3"
	lab.Need(t, python)
	if out, err := exec.Command(python, "-c", "import oslo_config.cfg").CombinedOutput(); err != nil {
		lab.Without(t, fmt.Sprintf("python3-oslo.config: %v: %s", err, out))
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"nova.conf":                  "[DEFAULT]\nblock_device_allocate_retries = 5\nblock_device_allocate_retries = 6\nother = 9\nblock_device_allocate_retries_interval = $other\n",
		"nova.conf.d/10.conf":        "[DEFAULT]\nblock_device_allocate_retries = 7\n",
		"nova.conf.d/9.conf":         "[DEFAULT]\nblock_device_allocate_retries = 8\n",
		"nova.conf.d/last.ini":       "[DEFAULT]\nblock_device_allocate_retries = 99\n",
		".nova/nova.conf":            "[DEFAULT]\nblock_device_allocate_retries = 10\n",
		".nova/nova.conf.d/1.conf":   "[DEFAULT]\nblock_device_allocate_retries = 11\nother = 12\n",
		"nova-compute.conf.d/a.conf": "[DEFAULT]\nblock_device_allocate_retries_interval = 13\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ args, names string }{
		{"--config-file nova.conf --config-dir nova.conf.d", "nova.conf nova.conf.d"},
		{"--config-dir nova.conf.d --config-file nova.conf", "nova.conf.d nova.conf"},
		{"--config-file nova.conf --config-dir nova.conf.d --config-dir .nova/nova.conf.d", "nova.conf nova.conf.d .nova/nova.conf.d"},
		{"--config-file nova.conf", ".nova/nova.conf.d nova-compute.conf.d nova.conf"}, // the folders of its home come first
		{"", ".nova/nova.conf .nova/nova.conf.d nova-compute.conf.d"},
	} {
		cmd := exec.Command(python, append([]string{"-c", novaCompute}, strings.Fields(c.args)...)...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		n, err := ReadNovaConfFiles(os.DirFS(dir), "c01", strings.Fields(c.names)...)
		if got := strconv.FormatInt(n.Retries, 10) + " " + strconv.FormatFloat(n.Interval.Seconds(), 'f', -1, 64); err != nil || got != strings.TrimSpace(string(out)) {
			t.Errorf("%s: %s, and oslo.config has %s: %v", c.args, got, out, err)
		} else {
			t.Logf("%s: %s", c.args, got)
		}
	}
}
