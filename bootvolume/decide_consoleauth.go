package bootvolume

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// consoles judges several nova-consoleauth that run at once: a token that one
// of them holds in its own memory is refused by the others.
func (s *Snapshot) consoles() []stackmend.Finding {
	var hosts, unknown []string
	var evidence []stackmend.Evidence
	used := make(map[string]bool)
	alone := false
	for _, c := range s.ComputeServices {
		if c.Binary != "nova-consoleauth" || c.State != "up" {
			continue
		}
		hosts = append(hosts, c.Host)
		where, kept := s.tokensOf(c.Host)
		if kept == unsure {
			unknown = append(unknown, c.Host)
		} else {
			used[where], alone = true, alone || kept == own
		}
		evidence = append(evidence, stackmend.Evidence{Source: "nova.conf of " + c.Host, Value: where})
	}
	apart := alone || len(used) > 1
	if len(hosts) < 2 || !apart && len(unknown) == 0 {
		return nil
	}
	f := warn(CodeConsoleauth, "nova-consoleauth", fmt.Sprintf("%d run at once (%s) and do not share the tokens of consoles: what one has given another refuses; nova 18 and 19 ask them only with enable_consoleauth or cells v1",
		len(hosts), strings.Join(hosts, ", ")),
		"[cache] enabled with one memcached for all of them, on which consoles then depend; or one active, the others standing by; nova 18 and later keep tokens in the database")
	f.Confidence, f.Evidence = stackmend.Medium, evidence
	if !apart {
		f.Status, f.Confidence = stackmend.Unknown, stackmend.Unstated
		f.Message = fmt.Sprintf("%d run at once, and whether they share the tokens of consoles is not known of %s", len(hosts), strings.Join(unknown, ", "))
		f.Fix = "give the nova.conf of each of these hosts; of a [cache] backend other than memcached look yourself"
	}
	return []stackmend.Finding{f}
}

// keeping is who can have the tokens of a nova-consoleauth.
type keeping int

const (
	unsure keeping = iota
	own            // that process, or its host, alone
	shared
)

func (s *Snapshot) tokensOf(host string) (where string, k keeping) {
	i := slices.IndexFunc(s.Consoles, func(c ConsoleConf) bool { return c.Host == host })
	if i < 0 {
		return "not read", unsure
	}
	return s.Consoles[i].tokens()
}

// tokens is where they are kept, and who can have them there.
func (c ConsoleConf) tokens() (where string, k keeping) {
	inProcess := func(name string) bool { return strings.Contains(c.Backend, name) }
	switch servers := strings.Join(slices.Sorted(slices.Values(c.Servers)), ", "); {
	case !c.Cached:
		return "in the memory of the process ([cache] enabled is off)", own
	case strings.Contains(c.Backend, "memcache") && slices.ContainsFunc(c.Servers, loopback):
		return "memcached of " + servers, own
	case strings.Contains(c.Backend, "memcache"):
		return "memcached of " + servers, shared
	case slices.ContainsFunc([]string{"dict", "memory", "null", "noop"}, inProcess):
		return "[cache] backend " + c.Backend, own
	}
	return fmt.Sprintf("[cache] backend %q", c.Backend), unsure
}

func loopback(server string) bool {
	server = strings.TrimPrefix(strings.TrimPrefix(server, "inet:"), "inet6:")
	return strings.HasPrefix(server, "localhost") || strings.HasPrefix(server, "127.") || strings.HasPrefix(server, "[::1]")
}
