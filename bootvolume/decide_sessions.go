package bootvolume

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/stackmend/stackmend"
)

// sessions judges how many sessions of the database are let through, and taken
// by a node, against what its clients may open.
func (s *Snapshot) sessions() []stackmend.Finding {
	var all []stackmend.Finding
	pools, evidence := s.pools()
	who := fmt.Sprintf("the pools of the services that were given, which may open %d, if each is one process", pools)
	taken, node := s.taken()
	admitted := int64(0) // by HAProxy to a node; zero: no limit of its own
	for _, p := range s.Proxies {
		if p.Kind == "frontend" || p.Disabled || !p.isGalera() {
			continue
		}
		f := s.fronts(p)
		for _, finding := range f.tooFew(pools, who) {
			finding.Evidence = evidence
			all = append(all, finding)
		}
		limit := f.limit()
		if most := p.toOneServer(); most > 0 && (limit == 0 || most < limit) {
			limit = most
		}
		admitted = max(admitted, limit)
		if taken > 0 && limit > taken {
			all = append(all, warn(CodeConnectionsTooFew, p.subject(),
				fmt.Sprintf("it lets %d sessions through to one node, and max_connections of %s is %d: what comes beyond is refused (1040, Too many connections)", limit, node, taken),
				fmt.Sprintf("maxconn of at most %d here, so that the others wait instead, or max_connections of at least %d, with the memory of as many sessions", taken, limit)))
		}
	}
	if taken > 0 && pools > taken && (admitted == 0 || admitted > taken) {
		f := warn(CodeConnectionsTooFew, node, fmt.Sprintf("max_connections is %d, for %s: what comes beyond is refused (1040, Too many connections)", taken, who),
			fmt.Sprintf("max_connections of at least %d, with the memory of as many sessions; or smaller pools (max_pool_size, max_overflow), whose users then wait", pools))
		f.Evidence = evidence
		all = append(all, f)
	}
	return all
}

// toOneServer is how many connections one server may get; zero: no limit, or it
// is not known.
func (p Proxy) toOneServer() (n int64) {
	for _, s := range p.Servers {
		if s.MaxConn <= 0 {
			return 0
		}
		n = max(n, s.MaxConn)
	}
	return n
}

// pools is how many sessions the services may open at least.
func (s *Snapshot) pools() (n int64, evidence []stackmend.Evidence) {
	for _, c := range s.Services {
		if c.Pool > 0 {
			n += c.Pool
			evidence = append(evidence, stackmend.Evidence{Source: "configuration of " + c.Host, Value: fmt.Sprintf("max_pool_size + max_overflow = %d", c.Pool)})
		}
	}
	return n, evidence
}

// taken is the smallest max_connections that is known of a node, as one node
// may come to have all sessions; the node itself counts before its file.
func (s *Snapshot) taken() (n int64, node string) {
	note := func(value, subject string) {
		if v, err := strconv.ParseInt(value, 10, 64); err == nil && v > 0 && (n == 0 || v < n) {
			n, node = v, subject
		}
	}
	for _, live := range s.Nodes {
		note(live.Variables["max_connections"], live.subject())
	}
	for _, g := range s.nodeConfs() {
		if !slices.ContainsFunc(s.Nodes, func(n Node) bool { return n.Host == g.Host }) {
			note(g.Variables["max_connections"], "galera.cnf of "+g.Host)
		}
	}
	return n, node
}
