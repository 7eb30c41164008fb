package bootvolume

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/appliertest"
	"github.com/stackmend/stackmend/internal/lab/haproxy"
)

// checked is haproxy -c.
func checked(ctx context.Context, files []string) ([]string, error) {
	args := []string{"-c"}
	for _, f := range files {
		args = append(args, "-f", f)
	}
	out, err := osexec(ctx, "haproxy", args...)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return CheckerWarnings(out), nil
}

func osexec(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return string(out), err
}

// taker is a service that has taken up the file that lies beside it.
type taker struct{ file, running string }

func (s taker) Healthy(context.Context) error { _, err := os.Stat(s.running); return err }

func (s taker) Check(_ context.Context, files []string) ([]string, error) {
	f, err := os.Open(files[0])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	_, err = ReadHAProxy(f)
	return nil, err
}

func (s taker) Generation(context.Context) (string, error) {
	b, err := os.ReadFile(s.running)
	return sum(string(b)), err
}

func (s taker) Reload(context.Context) error {
	b, err := os.ReadFile(s.file)
	if err != nil {
		return err
	}
	return os.WriteFile(s.running, b, 0o600)
}

const edited = "defaults\n    mode http\n    timeout connect 1s\n    timeout client 1s\n    timeout server 1s\nlisten cinder_api\n    bind 127.0.0.1:1\n    balance source # sticky\n    server a 127.0.0.1:2\n"

func toRoundrobin(path string) Change {
	return Change{Path: path, Format: HAProxyFormat, Reason: "spread", Settings: []Setting{{"listen cinder_api", "balance", "roundrobin"}, {"listen cinder_api", "timeout server", "60s"}}}
}

func editWorld(make bool) func(testing.TB, string) appliertest.World {
	return func(t testing.TB, dir string) appliertest.World {
		s := taker{filepath.Join(dir, "haproxy.cfg"), filepath.Join(dir, "running")}
		w := appliertest.World{Applier: NewEditor(map[string]Service{"haproxy": s}, 0)}
		if make {
			for _, path := range []string{s.file, s.running} {
				if err := os.WriteFile(path, []byte(edited), 0o640); err != nil {
					t.Fatal(err)
				}
			}
			w.Plan = planned(t, s, s.file)
		}
		w.Look = func() (string, error) {
			return osexec(t.Context(), "sh", "-c", "cd "+dir+" && ls -A | sort && stat -c '%a %u:%g %F' * && cat *")
		}
		w.Spoil = func() error { return os.WriteFile(s.file, []byte(edited+"# somebody\n"), 0o640) }
		w.Hostile = func() error {
			return errors.Join(os.Rename(s.file, filepath.Join(dir, "elsewhere")), os.Symlink(filepath.Join(dir, "elsewhere"), s.file))
		}
		return w
	}
}

func planned(t testing.TB, s Service, path string, more ...Setting) *stackmend.Plan {
	t.Helper()
	f, err := ReadConf(path)
	if err != nil {
		t.Fatal(err)
	}
	if f.Generation, err = s.Generation(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := toRoundrobin(path)
	c.Settings = append(c.Settings, more...)
	p, err := PlanEdit("haproxy", []ConfFile{f}, []Change{c}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEditorConforms(t *testing.T) {
	appliertest.Run(t, appliertest.Suite{New: editWorld(true), Open: editWorld(false)})
}

// real is a HAProxy that runs.
type real struct {
	t testing.TB
	*haproxy.Proxy
	port string // it is healthy if this answers
}

func (s real) Check(ctx context.Context, files []string) ([]string, error) {
	return checked(ctx, files)
}
func (s real) Reload(context.Context) error { s.Proxy.Reload(s.t); return nil }

// Generation is the worker by its master, who knows it also while one worker
// takes over from the other.
func (s real) Generation(ctx context.Context) (g string, err error) {
	err = answers(ctx, func() error {
		if g = s.Current(); g == "" {
			return ErrAnswer
		}
		return nil
	})
	return g, err
}

// Healthy waits for what is certain to come: where the file has the port, it
// will answer; where it has another, it will be closed.
func (s real) Healthy(ctx context.Context) error {
	text, err := os.ReadFile(s.Config)
	if err != nil {
		return err
	}
	dial := func() error {
		c, err := net.Dial("tcp", s.port)
		if err == nil {
			c.Close()
		}
		return err
	}
	if strings.Contains(string(text), s.port+"\n") {
		return answers(ctx, dial)
	}
	return errors.Join(answers(ctx, func() error {
		if dial() == nil {
			return errOpen
		}
		return nil
	}), errors.New(s.port+" does not answer"))
}

var errOpen = errors.New("it still answers")

// answers asks until there is an answer.
func answers(ctx context.Context, ask func() error) error {
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if err := ask(); err == nil || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
	}
}

// A real HAProxy: what it refuses, and what it takes up and cannot work with,
// is undone, and it runs as before.
func TestEditOfARunningHAProxy(t *testing.T) {
	front := free(t)
	text := strings.NewReplacer("127.0.0.1:1\n", front+"\n").Replace(edited)
	p := haproxy.Start(t, shortDir(t), text)
	s := real{t, p, front}
	before, err := os.ReadFile(p.Config)
	if err != nil {
		t.Fatal(err)
	}
	algorithm := func() string {
		var r Runtime
		if err := answers(t.Context(), func() (err error) { r, err = ReadRuntime(t.Context(), dialer(p.Socket), "h"); return err }); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(r.Servers)
	}
	was := algorithm()
	e := NewEditor(map[string]Service{"haproxy": s}, 0)
	for _, bad := range []Setting{{"listen cinder_api", "balance", "sauce"}, {"listen cinder_api", "bind", free(t)}} {
		r, err := stackmend.Run(t.Context(), planned(t, s, p.Config, bad), e, stackmend.Options{Mode: stackmend.Apply})
		now, _ := os.ReadFile(p.Config)
		if err == nil || string(now) != string(before) || s.Healthy(t.Context()) != nil || r.Outcomes[0].State != stackmend.Reverted {
			t.Errorf("%v: %v\n%s%s", bad, err, appliertest.Describe(r), now)
		}
	}
	if got := algorithm(); len(got) == 0 || strings.Count(got, "cinder_api") != strings.Count(was, "cinder_api") {
		t.Errorf("%s, was %s", got, was)
	}
	if r, err := stackmend.Run(t.Context(), planned(t, s, p.Config), e, stackmend.Options{Mode: stackmend.Apply}); err != nil {
		t.Fatalf("%v\n%s", err, appliertest.Describe(r))
	}
	f, err := os.Open(p.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if w := e.Warnings(); len(w) > 0 {
		t.Errorf("warned of nothing: %+v", w)
	}
	warned := Setting{"listen cinder_api", "option", "tcplog"} // in mode http
	if r, err := stackmend.Run(t.Context(), planned(t, s, p.Config, warned), e, stackmend.Options{Mode: stackmend.Apply}); err != nil {
		t.Fatalf("%v\n%s", err, appliertest.Describe(r))
	}
	if w := e.Warnings(); len(w) == 0 || w[0].Code != CodeCheckerWarning || !strings.Contains(w[0].Message, "cinder_api") {
		t.Errorf("accepted with warnings, and hidden: %+v", w)
	}
	if ps, err := ReadHAProxy(f); err != nil || ps[0].Balance != "roundrobin" || ps[0].Timeouts["server"] != time.Minute {
		t.Errorf("%+v %v", ps, err)
	}
}

func TestEdit(t *testing.T) {
	for _, c := range []struct {
		format     Format
		text, want string
		settings   []Setting
		refused    bool
	}{
		{HAProxyFormat, edited, "    balance leastconn\n", []Setting{{"listen cinder_api", "balance", "leastconn"}}, false},
		{HAProxyFormat, edited, "listen cinder_api\n    option httpchk\n", []Setting{{"listen cinder_api", "option httpchk", "GET /"}}, true},
		{HAProxyFormat, edited, "", []Setting{{"listen nobody", "balance", "leastconn"}}, true},
		{HAProxyFormat, edited, "", []Setting{{"listen cinder_api", "stats auth", "a:b"}}, true},
		{HAProxyFormat, edited, "", []Setting{{"listen cinder_api", "balance", "a\nb"}}, true},
		{GroupFormat, "[DEFAULT]\n#a=1\na=2\na = 3\n[x]\na=4\n", "#a=1\na=2\na = 5\n[x]\na=4\n", []Setting{{"DEFAULT", "a", "5"}}, false},
		{GroupFormat, "[mysqld]\ninnodb-flush-log-at-trx-commit=0\r\n", "innodb_flush_log_at_trx_commit = 1\r\n", []Setting{{"mysqld", "innodb_flush_log_at_trx_commit", "1"}}, false},
		{GroupFormat, "[mysqld]", "[mysqld]\nwsrep_sync_wait = 1\n", []Setting{{"mysqld", "wsrep_sync_wait", "1"}}, false},
		{GroupFormat, "[database]\n", "", []Setting{{"database", "connection", "mysql://a:b@c"}}, true},
	} {
		got, err := edit(c.text, c.format, c.settings)
		if errors.Is(err, ErrEdit) && c.want == "" {
			continue
		}
		if err != nil || !c.refused && !strings.Contains(got, c.want) {
			t.Errorf("%v: %v\n%s", c.settings, err, got)
		}
	}
}

// What a tool writes anew is left alone, with the difference for it.
func TestManagedFiles(t *testing.T) {
	for _, f := range []ConfFile{
		{Path: "/etc/kolla/haproxy/haproxy.cfg", Text: edited}, {Path: "/etc/haproxy/haproxy.cfg", Text: "# {{ Ansible managed }}\n" + edited},
		{Path: "/etc/haproxy/haproxy.cfg", Text: "# This file is managed by Puppet\n" + edited},
	} {
		f.Text = strings.Replace(f.Text, "{{ Ansible managed }}", "Ansible managed", 1)
		p, err := PlanEdit("haproxy", []ConfFile{f}, []Change{toRoundrobin(f.Path)}, time.Now(), time.Hour)
		if err != nil || len(p.Steps) > 0 || len(p.Kept) != 1 || !strings.Contains(p.Kept[0].Reason, "+8     balance roundrobin") && !strings.Contains(p.Kept[0].Reason, "     balance roundrobin") {
			t.Errorf("%+v %v", p, err)
		}
	}
}

func FuzzEdit(f *testing.F) {
	f.Add(edited, "listen cinder_api", "balance", "roundrobin", true)
	f.Add("[DEFAULT]\na=1\n", "DEFAULT", "a", "2", false)
	f.Fuzz(func(t *testing.T, text, section, name, value string, ini bool) {
		format := HAProxyFormat
		if ini {
			format = GroupFormat
		}
		after, err := edit(text, format, []Setting{{section, name, value}})
		if err == nil && strings.Count(after, "\n") < strings.Count(text, "\n") {
			t.Errorf("a line is lost: %q", after)
		}
		_ = diff(text, after)
	})
}
