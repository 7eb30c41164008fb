package bootvolume

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// A setting that another line sets again is refused, with that line; where it
// does not count in part, that is said.
func TestEffectOfAnEdit(t *testing.T) {
	const defaults = "defaults\n    timeout server 1m\n"
	const inherits = "listen a\n    balance source\n"
	const owns = "backend b\n    timeout server 5s\n"
	type files []string
	for name, c := range map[string]struct {
		files         files // the first is edited
		format        Format
		set           Setting
		none, limited string
	}{
		"an heir":                   {files{defaults + inherits}, HAProxyFormat, Setting{"defaults", "timeout server", "2m"}, "", ""},
		"no heir":                   {files{defaults, "defaults\n" + inherits}, HAProxyFormat, Setting{"defaults", "timeout server", "2m"}, "no section inherits", ""},
		"one of two":                {files{defaults + inherits, owns}, HAProxyFormat, Setting{"defaults", "timeout server", "2m"}, "", `not of backend b, where "timeout server 5s" in line 2 of 1 counts`},
		"every heir has its own":    {files{defaults + owns, owns[:8] + "c\n    timeout server 6s\n"}, HAProxyFormat, Setting{"defaults", "timeout server", "2m"}, "not of backend c", ""},
		"a frontend takes no such":  {files{defaults + "frontend f\n    default_backend b\n" + owns}, HAProxyFormat, Setting{"defaults", "timeout server", "2m"}, "not of backend b", ""},
		"defaults from others":      {files{"defaults x\n    balance source\ndefaults y from x\n    balance first\nlisten a from y\n"}, HAProxyFormat, Setting{"defaults x", "balance", "leastconn"}, "not of listen a", ""},
		"defaults from it":          {files{"defaults x\n    balance source\ndefaults y from x\nlisten a from y\n"}, HAProxyFormat, Setting{"defaults x", "balance", "leastconn"}, "", ""},
		"an option, and no":         {files{"listen a\n    option httplog\n    no option redispatch\n"}, HAProxyFormat, Setting{"listen a", "option", "redispatch"}, "line 4 of 0 is after it", ""},
		"an option beside others":   {files{"listen a\n    option httplog\n"}, HAProxyFormat, Setting{"listen a", "option", "redispatch"}, "", ""},
		"a later file":              {files{"[DEFAULT]\na = 1\n", "[DEFAULT]\na = 2\n"}, GroupFormat, Setting{"DEFAULT", "a", "3"}, "1 counts, which sets [DEFAULT] a to 2", ""},
		"a reference":               {files{"[DEFAULT]\na = 1\n", "[DEFAULT]\na = $b\n"}, GroupFormat, Setting{"DEFAULT", "a", "3"}, "to a reference", ""},
		"another group":             {files{"[DEFAULT]\na = 1\n", "[x]\na = 2\n"}, GroupFormat, Setting{"DEFAULT", "a", "3"}, "", ""},
		"its former name, later":    {files{"[database]\nconnection_recycle_time = 1\n", "[DEFAULT]\nsql_idle_timeout = 2\n"}, GroupFormat, Setting{"database", "connection_recycle_time", "3"}, "sql_idle_timeout to 2", ""},
		"a former name, beside new": {files{"[database]\nmax_overflow = 1\nsqlalchemy_max_overflow = 2\n"}, GroupFormat, Setting{"database", "sqlalchemy_max_overflow", "3"}, "max_overflow to 1", ""},
		"a later group":             {files{"[mysqld]\nwsrep_sync_wait=0\n[galera]\nwsrep-sync-wait=0\n"}, GroupFormat, Setting{"mysqld", "wsrep_sync_wait", "1"}, "sets wsrep_sync_wait to 0", ""},
		"includes":                  {files{"[mysqld]\nwsrep_sync_wait=0\n!includedir /etc/x\n"}, GroupFormat, Setting{"mysqld", "wsrep_sync_wait", "1"}, "", "!includedir /etc/x, which was not read"},
		"not to be read":            {files{"[DEFAULT]\na = 1\n", "nonsense\n"}, GroupFormat, Setting{"DEFAULT", "a", "3"}, "", "not known whether"},
	} {
		var all []ConfFile
		for i, text := range c.files {
			all = append(all, ConfFile{Path: string(rune('0' + i)), Text: text})
		}
		p, err := PlanEdit("s", all, []Change{{Path: "0", Format: c.format, Settings: []Setting{c.set}}}, time.Now(), time.Hour)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		refused := strings.Join(p.Refusals, "\n")
		if refused != "" != (c.none != "") || !strings.Contains(refused, c.none) {
			t.Errorf("%s: refused %q", name, refused)
		}
		reason := p.Steps[1].Reason
		if strings.Contains(reason, "does not count") != (c.limited != "") || !strings.Contains(reason, c.limited) {
			t.Errorf("%s: %s", name, reason)
		}
	}
}

// A file of two services is judged for both; files of other hosts do not count.
func TestEffectOnHosts(t *testing.T) {
	file := ConfFile{Path: "a", Text: "[DEFAULT]\nx = 1\n", Host: "c01"}
	other := ConfFile{Path: "b", Text: "[DEFAULT]\nx = 2\n", Host: "c02"}
	change := []Change{{Path: "a", Format: GroupFormat, Settings: []Setting{{"DEFAULT", "x", "3"}}}}
	p, err := PlanEdit("nova", []ConfFile{file, other}, change, time.Now(), time.Hour)
	if err != nil || len(p.Refusals) > 0 {
		t.Errorf("%+v %v", p, err)
	}
	again := file
	again.Host = "c02"
	if p, err = PlanEdit("nova", []ConfFile{file, again, other}, change, time.Now(), time.Hour); err != nil || len(p.Refusals) != 1 || len(p.Steps) != 2 {
		t.Errorf("%+v %v", p, err)
	}
	if _, err = PlanEdit("nova", []ConfFile{file, file}, change, time.Now(), time.Hour); err == nil {
		t.Error("a file that counts twice")
	}
}

// Of words that a section has several lines of, more must be said.
func TestEditOfOneOfSeveral(t *testing.T) {
	const text = "listen a\n    bind :1\n    server a h:1\n    server b h:2\n"
	if after, err := edit(text, HAProxyFormat, []Setting{{"listen a", "server", "c h:3"}}); err == nil {
		t.Error(after)
	}
	if after, err := edit(text, HAProxyFormat, []Setting{{"listen a", "server a", "h:1 check"}}); err != nil || !strings.Contains(after, "server a h:1 check\n    server b h:2\n") {
		t.Error(after, err)
	}
}

// What the effect was judged with must be as it was when the file is edited.
func TestEditBesideAnotherFile(t *testing.T) {
	dir := t.TempDir()
	path, later := filepath.Join(dir, "nova.conf"), filepath.Join(dir, "later.conf")
	for _, c := range []struct {
		text  string
		stale bool
	}{{"[DEFAULT]\nb = 2\n", false}, {"[DEFAULT]\na = 2\n", true}} {
		for name, text := range map[string]string{path: "[DEFAULT]\na = 1\n", later: "[DEFAULT]\nb = 2\n"} {
			if err := os.WriteFile(name, []byte(text), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		f, err := ReadConf(path)
		if err != nil {
			t.Fatal(err)
		}
		p, err := PlanEdit("nova", []ConfFile{f, {Path: later, Text: "[DEFAULT]\nb = 2\n"}}, []Change{{Path: path, Format: GroupFormat, Settings: []Setting{{"DEFAULT", "a", "3"}}}}, time.Now(), time.Hour)
		if err != nil || len(p.Steps) != 2 {
			t.Fatalf("%+v %v", p, err)
		}
		if err := os.WriteFile(later, []byte(c.text), 0o640); err != nil {
			t.Fatal(err)
		}
		var stale *stackmend.StaleError
		for _, s := range p.Steps {
			if err := NewEditor(nil, 0).Recheck(t.Context(), s); errors.As(err, &stale) != c.stale || (err != nil) != c.stale {
				t.Errorf("%q, %s: %v", c.text, s.Verb, err)
			}
		}
	}
}
