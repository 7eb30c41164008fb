package mtu

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// checkName is the Check of results and plans.
const checkName = "mtu"

// Check judges what was seen: every path's largest packet and the link that
// limits it, and every setting that contradicts another. It does no I/O.
//
// Its Status is OK only if every path was seen from end to end and carries
// what the link it begins at promises.
func Check(s *Snapshot) stackmend.Result {
	j := judge{s: s}
	j.run()
	r := stackmend.Result{Check: checkName, Subject: j.subject(), Started: s.Taken, Finished: s.Taken, Findings: j.findings}
	if len(j.findings) == 0 {
		r.Status = stackmend.OK
		return r
	}
	for i, f := range j.findings {
		if i == 0 {
			r.Status = f.Status
		}
		r.Status = stackmend.Worst(r.Status, f.Status)
	}
	return r
}

// judge collects findings.
type judge struct {
	s        *Snapshot
	paths    []Path
	hosts    map[string]*graph
	findings []stackmend.Finding
}

func (j *judge) add(f stackmend.Finding) { j.findings = append(j.findings, f) }

func (j *judge) subject() string {
	switch n := len(j.s.Hosts); n {
	case 0:
		return "path"
	case 1:
		return j.s.Hosts[0].Name
	default:
		return fmt.Sprintf("%d hosts", n)
	}
}

func (j *judge) run() {
	for _, u := range j.s.Unseen {
		j.unseen("snapshot", u)
	}
	if len(j.s.Hosts)+len(j.s.Networks)+len(j.s.Captures)+len(j.s.Probes) == 0 {
		j.add(stackmend.Finding{Code: CodeNothingObserved, Status: stackmend.Unknown, Subject: "snapshot",
			Message: "there are no links, networks, captures or probes to judge"})
		return
	}
	j.readHosts()
	for i := range j.s.Hosts {
		h := &j.s.Hosts[i]
		if g := j.hosts[h.Name]; g != nil {
			j.host(g)
		}
	}
	j.judgePaths()
	for _, c := range j.s.Configs {
		j.config(c)
	}
	j.networks()
	j.trace()
	j.probes()
}

func (j *judge) unseen(subject, what string) {
	j.add(stackmend.Finding{Code: CodePathNotSeen, Status: stackmend.Unknown, Subject: subject, Message: what})
}

// readHosts makes the graphs and paths. A host whose list cannot be true is
// left out and unknown.
func (j *judge) readHosts() {
	j.hosts = map[string]*graph{}
	var good []Host
	for i := range j.s.Hosts {
		h := &j.s.Hosts[i]
		g, err := newGraph(h)
		if err == nil && j.hosts[h.Name] != nil {
			err = fmt.Errorf("host %q is given twice", h.Name)
		}
		if err == nil && len(h.Links) == 0 {
			err = fmt.Errorf("it has no links")
		}
		if err != nil {
			j.add(stackmend.Finding{Code: CodeContradiction, Status: stackmend.Unknown, Subject: h.Name,
				Message: err.Error(), Fix: "read its links again", Evidence: evidence(h.Source, err.Error())})
			continue
		}
		j.hosts[h.Name] = g
		good = append(good, *h)
		for _, u := range h.Unseen {
			j.unseen(h.Name, u)
		}
	}
	paths, err := Paths(good, j.s.Wires)
	if err != nil { // each host was tried above
		j.unseen("paths", err.Error())
	}
	j.paths = j.chosen(paths)
}

// chosen keeps the paths that Snapshot.From asks for.
func (j *judge) chosen(paths []Path) []Path {
	if len(j.s.From) == 0 {
		return paths
	}
	var out []Path
	for _, from := range j.s.From {
		n := len(out)
		for _, p := range paths {
			if e := p.Entrance(); e.Link == from.Link && (from.Host == "" || from.Host == e.Host) {
				out = append(out, p)
			}
		}
		if len(out) == n {
			j.unseen(from.String(), "no path begins there: it is no link that is up and that nothing stands on")
		}
	}
	return out
}

func evidence(source, value string) []stackmend.Evidence {
	return []stackmend.Evidence{{Source: source, Value: value}}
}

// linkEvidence quotes a link the way people know it.
func (g *graph) linkEvidence(links ...*Link) []stackmend.Evidence {
	var out []stackmend.Evidence
	for _, l := range links {
		out = append(out, stackmend.Evidence{Source: g.host.Source, Value: g.describe(l)})
	}
	return out
}

// describe is a link in the manner of `ip link`.
func (g *graph) describe(l *Link) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d: %s", l.Index, l.Name)
	if u, _ := g.under(l); u != nil {
		b.WriteString("@" + u.Name)
	}
	fmt.Fprintf(&b, ": mtu %d", l.MTU)
	if m := g.byIndex[l.Master]; m != nil {
		b.WriteString(" master " + m.Name)
	}
	switch {
	case l.Kind == VLAN:
		fmt.Fprintf(&b, " vlan id %v", l.Tag)
	case l.Kind == Bond:
		b.WriteString(" bond " + l.Mode)
	case l.Kind != Physical:
		b.WriteString(" " + string(l.Kind))
	}
	return b.String()
}

func (g *graph) name(l *Link) string { return Port{g.host.Name, l.Name}.String() }

// list names a few of many.
func list(names []string) string {
	const few = 4
	names = slices.Compact(slices.Clone(names))
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
