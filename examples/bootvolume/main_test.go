package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackmend/stackmend/bootvolume"
	"github.com/stackmend/stackmend/examples/cli"
)

const zed = "../../bootvolume/testdata/zed/"

func run(t *testing.T, args ...string) (status int, out string) {
	t.Helper()
	getenv := func(string) string { return "" }
	var o, e bytes.Buffer
	status = tool(getenv).Run(t.Context(), args, cli.Streams{Out: &o, Err: &e, Getenv: getenv})
	return status, o.String() + e.String()
}

func TestBatch(t *testing.T) {
	status, out := run(t, "-nova-log", "c01="+zed+"nova-compute-c01.log", "-haproxy-log", "ctl="+zed+"haproxy.log", "-cinder-log", "ctl="+zed+"cinder-api.log")
	if status != 2 {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"haproxy-timeout", "orphan-volume", "X 504 cinder-api-1 sH 7.04s", "X accepted too late", "202 cinder-api-1"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestGaleraLog(t *testing.T) {
	if status, out := run(t, "-galera-log", "c2=../../bootvolume/testdata/galera/c2.err"); status != 1 || !strings.Contains(out, "2 transactions were aborted") {
		t.Errorf("status %d:\n%s", status, out)
	}
}

func TestConfiguration(t *testing.T) {
	cfg := filepath.Join(t.TempDir(), "haproxy.cfg")
	text := "listen cinder\n mode http\n balance source\n server a 10.0.0.1:1\n server b 10.0.0.2:1\n"
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out := run(t, "-haproxy-cfg", cfg); status != 1 || !strings.Contains(out, "balance-source") {
		t.Errorf("status %d:\n%s", status, out)
	}
	write(t, cfg, strings.ReplaceAll(text, "balance source", "maxconn 7"))
	for batch, want := range map[string]int{"7": 0, "8": 1} {
		if status, out := run(t, "-haproxy-cfg", cfg, "-batch", batch); strings.Contains(out, "connections-too-few") != (want == 1) {
			t.Errorf("%s: status %d:\n%s", batch, status, out)
		}
	}
	if status, out := run(t, "-haproxy-cfg", cfg+".none"); status != 3 {
		t.Errorf("a file that is not there: status %d:\n%s", status, out)
	}
	if status, out := run(t); status != 3 || !strings.Contains(out, "give the nova-compute logs") {
		t.Errorf("nothing to look at: status %d\n%s", status, out)
	}
}

// Files of one host are read together; files without a host stand alone.
func TestConfigurationsOfAHost(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"nova.conf": "[DEFAULT]\nblock_device_allocate_retries = 5\n", "conf.d/10.conf": "[DEFAULT]\nblock_device_allocate_retries = 7\n",
		"cinder.conf": "[database]\nmysql_wsrep_sync_wait = 1\n", "galera.cnf": "[mysqld]\nwsrep_sync_wait=0\n",
		"haproxy.cfg": "listen galera\n server a 10.0.0.1:3306 check\n server b 10.0.0.2:3306 check\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(dir, "nova.conf")
	for want, words := range map[int][]string{7: {"c01=" + conf, "c01=" + filepath.Join(dir, "conf.d")}, 5: {conf, filepath.Join(dir, "conf.d")}} {
		hosts, err := byHost(words, nil)
		if err != nil {
			t.Fatal(err)
		}
		all, err := read(hosts, bootvolume.ReadNovaConfFiles)
		if err != nil || all[0].Retries != int64(want) {
			t.Errorf("%v: %+v %v", words, all, err)
		}
	}
	args := []string{"-haproxy-cfg", filepath.Join(dir, "haproxy.cfg"), "-galera-cnf", "db1=" + filepath.Join(dir, "galera.cnf")}
	if status, out := run(t, args...); status != 1 || !strings.Contains(out, "read-after-write") {
		t.Errorf("status %d:\n%s", status, out)
	}
	args = append(args, "-service-conf", "ctl1="+filepath.Join(dir, "cinder.conf"))
	if status, out := run(t, args...); status != 1 || strings.Contains(out, "read-after-write") {
		t.Errorf("with its remedy: status %d:\n%s", status, out)
	}
	// A --config-dir wins over the file before it.
	cinder, later := filepath.Join(dir, "cinder.conf"), filepath.Join(dir, "cinder.conf.d")
	if err := os.Mkdir(later, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(later, "50-db.conf"), "[database]\nmysql_wsrep_sync_wait = 0\n")
	if status, out := run(t, append(args, "-config-dir", cinder+"="+later)...); status != 1 || !strings.Contains(out, "mysql_wsrep_sync_wait = 0") {
		t.Errorf("with a --config-dir: status %d:\n%s", status, out)
	}
	for _, word := range []string{later, "/none=" + later, cinder + "=", cinder + "=" + cinder} {
		if status, out := run(t, append(args, "-config-dir", word)...); status != 64 {
			t.Errorf("-config-dir %s: status %d:\n%s", word, status, out)
		}
	}
	if status, out := run(t, append(args, "-config-dir", cinder+"="+later+".none")...); status != 3 || !strings.Contains(out, later+".none") {
		t.Errorf("no such folder: status %d:\n%s", status, out)
	}
	hosts, err := byHost([]string{"c01=" + conf}, map[string][]string{conf: {filepath.Join(dir, "conf.d")}})
	if err != nil {
		t.Fatal(err)
	}
	all, err := read(hosts, bootvolume.ReadNovaConfFiles)
	if err != nil || all[0].Retries != 7 {
		t.Errorf("%+v %v", all, err)
	}
}

// A configuration that cannot be read is named by its whole path.
func TestPathOfAConfiguration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nova.conf")
	for _, word := range []string{path, "c01=" + path} {
		if status, out := run(t, "-nova-conf", word); status != 3 || !strings.Contains(out, path) {
			t.Errorf("status %d:\n%s", status, out)
		}
	}
}

func TestConsoleauth(t *testing.T) {
	dir := t.TempDir()
	list, conf := filepath.Join(dir, "services.json"), filepath.Join(dir, "nova.conf")
	write(t, list, `[{"Binary": "nova-consoleauth", "Host": "ctl1", "State": "up"}, {"Binary": "nova-consoleauth", "Host": "ctl2", "State": "up"}]`)
	write(t, conf, "[DEFAULT]\n")
	if status, out := run(t, "-nova-services", list); status != 3 || !strings.Contains(out, "consoleauth-active-active") {
		t.Errorf("status %d:\n%s", status, out)
	}
	if status, out := run(t, "-nova-services", list, "-consoleauth-conf", "ctl1="+conf); status != 1 || !strings.Contains(out, "consoleauth-active-active") {
		t.Errorf("status %d:\n%s", status, out)
	}
	if status, out := run(t, "-consoleauth-conf", "ctl1="+conf); status != 64 {
		t.Errorf("status %d:\n%s", status, out)
	}
}

// What does not answer is unknown, and wrong usage is told before anything is
// done.
func TestLive(t *testing.T) {
	if status, out := run(t, "-haproxy-socket", "h1=/nowhere/admin.sock"); status != 3 || !strings.Contains(out, "runtime API") {
		t.Errorf("status %d:\n%s", status, out)
	}
	if status, out := run(t, "-probe", "test"); status != 64 && status != 3 || !strings.Contains(out, "BOOTVOLUME_GALERA") {
		t.Errorf("status %d:\n%s", status, out)
	}
}
