package bpdu

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// An Incident is a port of a switch that BPDU guard disabled, from the first
// time until it stayed up.
type Incident struct {
	Switch    string
	Vendor    Vendor
	Port      string
	Members   []string // other ports of that switch that went down within seconds
	MAC       string   // source of the BPDUs; empty: not told
	MACs      []string // when several were told
	VLAN      string
	Began     time.Time
	Doubt     string
	Times     int       // how often the guard struck: more than once is flapping
	Recovered time.Time // zero: it did not come up, as far as the log goes
	Last      time.Time // of the last event
	Events    []Event   // the first ones
}

// How events belong together.
const (
	sameStrike = 2 * time.Second  // several lines tell of one strike of the guard
	withMember = 5 * time.Second  // members of a port channel go down with it
	flapping   = 30 * time.Minute // a strike so soon after a recovery is the same incident
	maxKept    = 20               // events that an Incident keeps
	maxBack    = 64               // how far back related events are looked for, and members of an incident
)

// Incidents groups events. Their order in the log does not matter, and lines
// that are there twice count once.
func Incidents(events []Event) []Incident {
	g := grouper{open: map[string]*Incident{}}
	for _, e := range sorted(events) {
		g.add(e)
	}
	out := make([]Incident, 0, len(g.all))
	for _, i := range g.all {
		slices.Sort(i.Members)
		out = append(out, *i)
	}
	return out
}

// sorted orders events by time, those of one time as they were, without
// doubles.
func sorted(events []Event) []Event {
	s := slices.Clone(events)
	slices.SortStableFunc(s, func(a, b Event) int { return a.Time.Compare(b.Time) })
	seen := map[[2]string]time.Time{}
	return slices.DeleteFunc(s, func(e Event) bool {
		key := [2]string{e.Switch + "\x00" + e.Port, string(e.Kind) + e.Text}
		if t, ok := seen[key]; ok && t.Equal(e.Time) {
			return true
		}
		seen[key] = e.Time
		return false
	})
}

type grouper struct {
	all    []*Incident
	open   map[string]*Incident // the last one of each port
	recent []Event              // ports that went down in the last seconds: a member may before the line about the guard
}

func (g *grouper) add(e Event) {
	g.recent = slices.DeleteFunc(g.recent, func(r Event) bool { return e.Time.Sub(r.Time) > withMember })
	if e.Kind == Down && len(g.recent) < maxBack {
		g.recent = append(g.recent, e)
	}
	i := g.open[e.Switch+"\x00"+portKey(e.Port)]
	switch {
	case e.Kind == Guarded:
		g.strike(e, i)
	case e.Kind == Down:
		g.member(e)
	case i == nil:
	case e.Kind == Up:
		i.note(e)
		i.Recovered = e.Time
	default:
		i.note(e)
	}
}

// strike begins an incident, or goes on with the one that the port has.
func (g *grouper) strike(e Event, i *Incident) {
	switch {
	case i == nil, !i.Recovered.IsZero() && e.Time.Sub(i.Recovered) > flapping:
		i = &Incident{Switch: e.Switch, Vendor: e.Vendor, Port: e.Port, Began: e.Time, Doubt: e.Doubt, Times: 1}
		g.open[e.Switch+"\x00"+portKey(e.Port)] = i
		g.all = append(g.all, i)
		for _, r := range g.recent {
			if r.Switch == e.Switch {
				i.addMember(r)
			}
		}
	case !i.Recovered.IsZero() || e.Time.Sub(i.Last) > sameStrike:
		i.Times++
	}
	i.Recovered = time.Time{}
	i.VLAN = cmp.Or(i.VLAN, e.VLAN)
	if e.MAC != "" && !slices.Contains(i.MACs, e.MAC) {
		i.MAC = cmp.Or(i.MAC, e.MAC)
		i.MACs = append(i.MACs, e.MAC)
	}
	i.note(e)
}

// member puts a port that went down to the incident of its switch that has
// just begun.
func (g *grouper) member(e Event) {
	for _, i := range slices.Backward(g.all[max(0, len(g.all)-maxBack):]) {
		if i.Switch == e.Switch && e.Time.Sub(i.Last) <= withMember {
			i.addMember(e)
			return
		}
	}
}

func (i *Incident) addMember(e Event) {
	if len(i.Members) < maxBack && portKey(e.Port) != portKey(i.Port) && !slices.Contains(i.Members, e.Port) {
		i.Members = append(i.Members, e.Port)
	}
	i.note(e)
}

func (i *Incident) note(e Event) {
	i.Last = e.Time
	if len(i.Events) < maxKept {
		i.Events = append(i.Events, e)
	}
}

// portKey makes the long and the short name of a port of Cisco's the same:
// GigabitEthernet1/0/8 and Gi1/0/8.
func portKey(port string) string {
	digits := strings.IndexAny(port, "0123456789")
	if digits < 0 {
		return strings.ToLower(port)
	}
	name := strings.ToLower(port[:digits])
	switch name {
	case "gigabitethernet":
		name = "gi"
	case "tengigabitethernet":
		name = "te"
	case "twentyfivegige":
		name = "twe"
	case "fastethernet":
		name = "fa"
	case "fortygigabitethernet":
		name = "fo"
	case "hundredgige":
		name = "hu"
	case "ethernet", "eth":
		name = "et"
	case "port-channel":
		name = "po"
	}
	return name + port[digits:]
}
