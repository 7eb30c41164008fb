package bootvolume

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// ErrSyntax: a file that its program would refuse as well.
var ErrSyntax = errors.New("bootvolume: not a configuration file")

// A Proxy is a listen or backend section as HAProxy takes it, with what it
// inherits from defaults.
type Proxy struct {
	Kind, Name string // Kind: listen, backend, frontend
	Line       int
	Mode       string // tcp unless said
	Balance    string // roundrobin unless said
	Timeouts   map[string]time.Duration
	Options    []string // sorted
	RetryOn    []string
	NoRetry    []string // conditions of http-request disable-l7-retry
	Ports      []string // of bind
	Servers    []Server
	Retries    int64    // of connections; 3 unless said
	Disabled   bool     // it neither listens nor sends
	Backends   []string // of a frontend: where default_backend and use_backend lead, as they are written
	// MaxConn is how many connections a listen or frontend takes at once, and
	// Process how many all of them do, as section global says; zero: not said;
	// NotKnown: by a variable of the environment.
	MaxConn, Process int64
}

// haproxyFile is the state of reading a haproxy.cfg.
type haproxyFile struct {
	proxies []Proxy
	named   map[string]settings
	last    settings // of the latest defaults
	now     *settings
	kind    string // of the section
	name    string // of a defaults section
	line    int
	made    int   // servers, by server-template
	global  bool  // the section is global
	process int64 // maxconn of global
}

// settings are what a section says or inherits.
type settings struct {
	proxy  Proxy
	server Server // default-server
}

// ReadHAProxy reads a haproxy.cfg; several files of one HAProxy are given one
// behind the other (io.MultiReader). The error is compatible
// with errors.Is(err, ErrSyntax).
func ReadHAProxy(r io.Reader) ([]Proxy, error) {
	f := &haproxyFile{named: make(map[string]settings), last: fresh()}
	in := bufio.NewScanner(r)
	for in.Scan() {
		f.line++
		words, err := wordsOf(in.Text())
		if err == nil && len(words) > 0 {
			err = f.take(words)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", f.line, err)
		}
	}
	f.end()
	for i := range f.proxies {
		f.proxies[i].Process = f.process
	}
	return f.proxies, in.Err()
}

func fresh() settings {
	return settings{proxy: Proxy{Mode: "tcp", Balance: "roundrobin", Retries: 3, Timeouts: map[string]time.Duration{}}, server: Server{Weight: 1}}
}

// clone lets a section change what it inherits.
func (s settings) clone() settings {
	s.proxy.Timeouts = maps.Clone(s.proxy.Timeouts)
	s.proxy.Options = slices.Clone(s.proxy.Options)
	s.proxy.RetryOn = slices.Clone(s.proxy.RetryOn)
	s.proxy.NoRetry = slices.Clone(s.proxy.NoRetry)
	s.proxy.Backends = slices.Clone(s.proxy.Backends)
	return s
}

// wordsOf splits a line as HAProxy does: quotes, backslashes, comments.
func wordsOf(line string) (words []string, err error) {
	var w []byte
	begun, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			w, begun = append(w, line[i]), true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, begun = c, true
		case quote == 0 && (c == ' ' || c == '\t' || c == '\r' || c == '#'):
			if begun {
				words = append(words, string(w))
			}
			w, begun = nil, false
			if c == '#' {
				return words, nil
			}
		default:
			w, begun = append(w, c), true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("%w: a quote that does not end", ErrSyntax)
	}
	if begun {
		words = append(words, string(w))
	}
	return words, nil
}

// take reads one line.
func (f *haproxyFile) take(words []string) error {
	switch words[0] {
	case "defaults", "listen", "frontend", "backend":
		return f.begin(words)
	case "global", "userlist", "peers", "resolvers", "mailers", "cache", "program", "http-errors", "ring", "log-forward", "fcgi-app":
		f.end()
		f.global = words[0] == "global"
		return nil
	}
	if f.now == nil {
		f.ofProcess(words)
		return nil
	}
	before := len(f.now.proxy.Servers)
	if err := f.now.set(words); err != nil || words[0] != "server-template" {
		return err
	}
	if f.made += len(f.now.proxy.Servers) - before; f.made > mostMade {
		return fmt.Errorf("%w: more than %d servers by server-template", ErrSyntax, mostMade)
	}
	return nil
}

func (f *haproxyFile) begin(words []string) error {
	f.end()
	from := f.last
	name := ""
	if len(words) > 1 && words[1] != "from" {
		name = words[1]
	}
	if words[0] != "defaults" && name == "" {
		return fmt.Errorf("%w: %s without a name", ErrSyntax, words[0])
	}
	if words[0] == "defaults" {
		from = fresh()
	}
	if i := slices.Index(words, "from"); i > 0 && i+1 < len(words) {
		var ok bool
		if from, ok = f.named[words[i+1]]; !ok {
			return fmt.Errorf("%w: defaults section %q not found", ErrSyntax, words[i+1])
		}
	}
	now := from.clone()
	now.proxy.Kind, now.proxy.Name, now.proxy.Line = words[0], name, f.line
	f.now, f.kind, f.name = &now, words[0], name
	return nil
}

func (f *haproxyFile) end() {
	switch {
	case f.now == nil:
	case f.kind == "defaults":
		f.last = *f.now
		if f.name != "" {
			f.named[f.name] = f.last
		}
	default:
		slices.Sort(f.now.proxy.Options)
		f.proxies = append(f.proxies, f.now.proxy)
	}
	f.now, f.global = nil, false
}

// ofProcess takes a setting of section global; other sections do not matter here.
func (f *haproxyFile) ofProcess(words []string) {
	if f.global && words[0] == "maxconn" && len(words) > 1 {
		f.process = count(words[1])
	}
}

// set takes one setting of a section.
func (s *settings) set(words []string) error {
	p := &s.proxy
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	switch words[0] {
	case "mode":
		p.Mode = arg(1)
	case "balance":
		p.Balance = arg(1)
	case "timeout":
		return p.timeout(arg(1), arg(2))
	case "maxconn":
		p.MaxConn = count(arg(1))
	case "disabled", "enabled":
		p.Disabled = words[0] == "disabled"
	case "default_backend", "use_backend":
		p.Backends = append(p.Backends, arg(1))
	case "option":
		p.Options = append(p.without(arg(1)), arg(1))
	case "no":
		if arg(1) == "option" {
			p.Options = p.without(arg(2))
		}
	case "retries":
		p.Retries = count(arg(1))
	case "retry-on":
		p.RetryOn = words[1:]
	case "http-request":
		if arg(1) == "disable-l7-retry" {
			p.NoRetry = append(p.NoRetry, strings.Join(words[2:], " "))
		}
	case "bind":
		p.Ports = append(p.Ports, portOf(arg(1)))
	case "default-server":
		s.server.set(words[1:])
	case "server":
		if len(words) < 3 {
			return fmt.Errorf("%w: server without an address", ErrSyntax)
		}
		s.add(words[1], words[2], words[3:])
	case "server-template":
		return s.template(words)
	}
	return nil
}

func (p *Proxy) without(option string) []string {
	return slices.DeleteFunc(p.Options, func(o string) bool { return o == option })
}

func (p *Proxy) timeout(name, value string) error {
	d, err := duration(value)
	if err != nil {
		return fmt.Errorf("timeout %s: %w", name, err)
	}
	p.Timeouts[name] = d
	return nil
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
