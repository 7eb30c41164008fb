package imagecache

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A gap is a host that may need images that nobody can see, and why. A gap
// without a host concerns all of them.
type gap struct{ host, reason string }

func (g gap) String() string {
	if g.host == "" {
		return g.reason
	}
	return "host " + g.host + ": " + g.reason
}

// A census is what is known of the hosts that may share the filesystem.
type census struct {
	at       time.Time
	registry Registry
	fleet    *Fleet
	dirs     []string // sorted
}

func (s *Snapshot) census() census { return census{s.At, s.Registry, s.Fleet, s.Dirs} }

// gaps returns why not all instances are accounted for; none: they are.
// Every host that registered here or runs a nova-compute, and every host that
// a server is said to be on, counts as sharing the filesystem.
func (c census) gaps(p Policy) []gap {
	if c.fleet == nil {
		return []gap{{"", "nova was not asked which computes and servers exist"}}
	}
	all := c.lists(p)
	if c.registry.Problem != "" {
		all = append(all, gap{"", c.registry.Problem})
	}
	servers := map[string][]Server{}
	for _, s := range c.fleet.Servers {
		servers[s.Host] = append(servers[s.Host], s)
	}
	for _, h := range c.hosts(servers) {
		if reason := c.host(h, servers[h], p); reason != "" {
			all = append(all, gap{h, reason})
		}
	}
	return all
}

// lists looks at whether the lists can be believed.
func (c census) lists(p Policy) []gap {
	var all []gap
	for _, r := range c.fleet.Incomplete {
		all = append(all, gap{"", "nova's lists are not complete: " + r})
	}
	switch age := c.at.Sub(c.fleet.At); {
	case c.fleet.At.IsZero():
		all = append(all, gap{"", "nova's lists do not say when they were taken"})
	case age > p.MaxHeartbeat:
		all = append(all, gap{"", fmt.Sprintf("nova's lists are %v old", age.Round(time.Second))})
	case -age > p.MaxSkew:
		all = append(all, gap{"", fmt.Sprintf("nova's lists are from %v ahead: clock skew", -age.Round(time.Second))})
	}
	if len(c.fleet.Services) == 0 {
		all = append(all, gap{"", "nova lists no nova-compute service at all"})
	}
	if n := c.instances(); n > 0 && len(c.fleet.Servers) == 0 {
		all = append(all, gap{"", fmt.Sprintf("nova lists no server at all, but %d directories of instances are here", n)})
	}
	return all
}

// instances counts the directories that are named like instances.
func (c census) instances() int {
	n := 0
	for _, d := range c.dirs {
		if isUUID(instanceOf(d)) {
			n++
		}
	}
	return n
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !strings.ContainsRune("0123456789abcdef", rune(c)) {
			return false
		}
	}
	return true
}

// hosts returns every host that is named anywhere, sorted.
func (c census) hosts(servers map[string][]Server) []string {
	all := maps.Clone(c.registry.Hosts)
	if all == nil {
		all = map[string]time.Time{}
	}
	for _, s := range c.fleet.Services {
		all[s.Host] = time.Time{}
	}
	for h := range servers {
		all[h] = time.Time{}
	}
	delete(all, "") // servers that are on no host: shelved, or not scheduled
	return slices.Sorted(maps.Keys(all))
}

// host says why the host is not accounted for.
func (c census) host(h string, servers []Server, p Policy) string {
	registered, here := c.registry.Hosts[h]
	if _, ok := p.Elsewhere[h]; ok {
		if here {
			return "declared not to share this filesystem, but it has registered in compute_nodes"
		}
		return ""
	}
	if _, ok := p.Gone[h]; ok {
		return c.gone(h, registered, p)
	}
	if reason := c.service(h, p); reason != "" {
		return reason
	}
	if !here {
		return "it has not registered in compute_nodes: nova's cleaners do not know that it needs images"
	}
	if reason := late("it registered in compute_nodes", c.at.Sub(registered), p.MaxRegister, p.MaxSkew); reason != "" {
		return reason
	}
	return c.unseenServers(servers)
}

// gone says why a host that was declared gone seems not to be.
func (c census) gone(h string, registered time.Time, p Policy) string {
	for _, s := range c.fleet.Services {
		if s.Host == h && s.State == "up" {
			return "declared gone for good, but its nova-compute is up"
		}
	}
	if c.at.Sub(registered) < p.MaxRegister {
		return "declared gone for good, but it registered in compute_nodes at " + registered.UTC().Format(time.RFC3339)
	}
	return ""
}

func (c census) service(h string, p Policy) string {
	found := false
	for _, s := range c.fleet.Services {
		if s.Host != h {
			continue
		}
		found = true
		switch {
		case s.ForcedDown:
			return "its nova-compute is forced down" + because(s.Disabled)
		case s.State != "up":
			return fmt.Sprintf("its nova-compute is %q (%s)", s.State, s.Status) + because(s.Disabled)
		case s.Updated.IsZero():
			return "nova does not say when its nova-compute last reported"
		}
		if reason := late("its nova-compute reported", c.fleet.At.Sub(s.Updated), p.MaxHeartbeat, p.MaxSkew); reason != "" {
			return reason
		}
	}
	if !found {
		return "nova lists no nova-compute of this name"
	}
	return ""
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// late judges an age: too old, or in the future.
func late(what string, age, limit, skew time.Duration) string {
	switch {
	case age > limit:
		return fmt.Sprintf("%s %v ago, more than %v", what, age.Round(time.Second), limit)
	case -age > skew:
		return fmt.Sprintf("%s %v in the future: clock skew", what, -age.Round(time.Second))
	}
	return ""
}

// unseenServers says so if servers of the host have no directory here: its
// instances then lie elsewhere, or what is mounted here is not all.
func (c census) unseenServers(servers []Server) string {
	n, example := 0, ""
	for _, s := range servers {
		if s.hasDisk() && !c.hasDir(s.ID) {
			n++
			example = s.ID
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d of its servers have no directory here, such as %s", n, example)
}

// hasDisk reports whether the server must have files under the instances
// directory. Those that failed, or are being made or deleted, may not.
func (s Server) hasDisk() bool {
	switch s.Status {
	case "BUILD", "ERROR", "DELETED", "SHELVED_OFFLOADED":
		return false
	}
	return s.Image != "" || !s.VolumesAttached
}

func (c census) hasDir(id string) bool {
	for _, name := range []string{id, id + "_resize"} {
		if _, ok := slices.BinarySearch(c.dirs, name); ok {
			return true
		}
	}
	return false
}
