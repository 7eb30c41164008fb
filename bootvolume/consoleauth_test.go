package bootvolume

import (
	"errors"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
)

// services is what the client prints with -f json: the columns of
// openstackclient/compute/v2/service.py.
const services = `[{"ID": 1, "Binary": "nova-conductor", "Host": "ctl1", "Zone": "internal", "Status": "enabled", "State": "up", "Updated At": "2018-03-01T10:00:00.000000"},
{"ID": 2, "Binary": "nova-consoleauth", "Host": "ctl1", "Zone": "internal", "Status": "enabled", "State": "up", "Updated At": "2018-03-01T10:00:00.000000"},
{"ID": 3, "Binary": "nova-consoleauth", "Host": "ctl2", "Zone": "internal", "Status": "enabled", "State": "up", "Updated At": "2018-03-01T10:00:00.000000"},
{"ID": 4, "Binary": "nova-consoleauth", "Host": "ctl3", "Zone": "internal", "Status": "enabled", "State": "down", "Updated At": "2018-02-01T10:00:00.000000"}]`

func TestConsoleauth(t *testing.T) {
	const cache = "[cache]\nenabled = true\nbackend = oslo_cache.memcache_pool\nmemcache_servers = "
	own, both, local := "[DEFAULT]\n", cache+"10.0.0.2:11211,10.0.0.1:11211\n", "[cache]\nenabled = yes\nbackend = dogpile.cache.memcached\n"
	for name, c := range map[string]struct {
		confs  []string // of ctl1, ctl2
		status stackmend.Status
	}{
		"nothing read":           {nil, stackmend.Unknown},
		"one read, shared":       {[]string{both}, stackmend.Unknown},
		"one read, its own":      {[]string{own}, stackmend.Warn},
		"each its own":           {[]string{own, own}, stackmend.Warn},
		"shared":                 {[]string{both, cache + "10.0.0.1:11211, 10.0.0.2:11211\n"}, stackmend.OK},
		"each on another server": {[]string{both, cache + "10.0.0.3:11211\n"}, stackmend.Warn},
		"each on its own host":   {[]string{local, local}, stackmend.Warn},
		"a backend not known":    {[]string{both, "[cache]\nenabled = true\nbackend = dogpile.cache.redis\n"}, stackmend.Unknown},
		"no cache at all":        {[]string{"[cache]\nenabled = true\nbackend = dogpile.cache.null\n", both}, stackmend.Warn},
	} {
		all, err := ReadComputeServices(strings.NewReader(services))
		if err != nil {
			t.Fatal(err)
		}
		s := &Snapshot{ComputeServices: all}
		for i, text := range c.confs {
			conf, err := ReadConsoleConf(strings.NewReader(text), []string{"ctl1", "ctl2"}[i])
			if err != nil {
				t.Fatal(err)
			}
			s.Consoles = append(s.Consoles, conf)
		}
		if r := Check(s); r.Status != c.status || c.status != stackmend.OK && r.Findings[0].Code != CodeConsoleauth {
			t.Errorf("%s: %+v", name, r)
		}
		s.ComputeServices = all[:2]
		if got := codes(Check(s)); len(got) > 0 {
			t.Errorf("one alone: %v", got)
		}
	}
	for _, text := range []string{"", "{}", "[{}]", `[{"Binary": 1}]`} {
		if _, err := ReadComputeServices(strings.NewReader(text)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzConsoleauth(f *testing.F) {
	f.Add(services, "[cache]\nenabled = true\nbackend = x\nmemcache_servers = a,b\n")
	f.Fuzz(func(t *testing.T, list, conf string) {
		all, _ := ReadComputeServices(strings.NewReader(list))
		c, err := ReadConsoleConf(strings.NewReader(conf), "ctl1")
		if err == nil {
			Check(&Snapshot{ComputeServices: all, Consoles: []ConsoleConf{c}})
		}
	})
}
