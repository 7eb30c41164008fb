package pglog

import (
	"fmt"
	"strings"

	"github.com/stackmend/stackmend/ceph/internal/safety"
)

// rule is what is read of `osd crush rule dump`.
type rule struct {
	ID    int `json:"rule_id"`
	Steps []struct{ Op, Type string }
}

// domainOf is the finest bucket type by which a rule of these pools chooses.
func domainOf(pools []safety.Pool, rules []rule, nodes []node) (string, error) {
	typeID := map[string]int{"osd": 0}
	for _, n := range nodes {
		typeID[n.Type] = n.TypeID
	}
	finest, used := "", map[int]bool{}
	for _, p := range pools {
		used[p.Rule] = true
	}
	for _, r := range rules {
		if !used[r.ID] {
			continue
		}
		delete(used, r.ID)
		for _, s := range r.Steps {
			if !strings.HasPrefix(s.Op, "choose") {
				continue
			}
			id, ok := typeID[s.Type]
			if !ok {
				return "", fmt.Errorf("pglog: CRUSH rule %d chooses by %q, which the tree does not have", r.ID, s.Type)
			}
			if finest == "" || id < typeID[finest] {
				finest = s.Type
			}
		}
	}
	if finest == "" || len(used) > 0 {
		return "", fmt.Errorf("pglog: the failure domain of the pools is not known: rules %v were not seen", used)
	}
	return finest, nil
}

// placesIn says for each OSD in which host and which bucket of a type it lies.
func placesIn(nodes []node, domain string) map[int]place {
	parent, by := map[int]int{}, map[int]node{}
	for _, n := range nodes {
		by[n.ID] = n
		for _, c := range n.Children {
			parent[c] = n.ID
		}
	}
	out := map[int]place{}
	for _, n := range nodes {
		if n.Type != "osd" {
			continue
		}
		p := place{domain: n.Name, class: n.Class}
		for id, hops := n.ID, 0; hops < 32; hops++ { // no deeper than CRUSH, and no circle
			at := by[id]
			if hops > 0 {
				p.in = append(p.in, at.Name)
			}
			if at.Type == domain {
				p.domain = at.Name
			}
			if at.Type == "host" {
				p.host = at.Name
			}
			up, ok := parent[id]
			if !ok {
				break
			}
			id = up
		}
		out[n.ID] = p
	}
	return out
}
