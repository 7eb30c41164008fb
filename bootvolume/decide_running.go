package bootvolume

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// asWritten compares a HAProxy that runs with the file, which is taken for its.
func (s *Snapshot) asWritten(r Runtime) []stackmend.Finding {
	all := r.reloaded(s.ProxiesWritten)
	if len(s.Proxies) == 0 {
		return all
	}
	for _, name := range names(s.Proxies, r.Servers) {
		d := differences{proxy: name}
		d.section(slices.DeleteFunc(slices.Clone(s.Proxies), func(p Proxy) bool { return p.Name != name }),
			slices.DeleteFunc(slices.Clone(r.Servers), func(l Live) bool { return l.Proxy != name }))
		all = append(all, d.finding(r)...)
	}
	if n := s.Proxies[0].Process; n > 0 && n != r.Most {
		d := differences{proxy: "the process"}
		d.note("maxconn is %d, and %d in the file", r.Most, n)
		all = append(all, d.finding(r)...)
	}
	return append(all, r.silent(s.Proxies)...)
}

// names are those of the sections, in the order of the file, then those that run.
func names(ps []Proxy, ls []Live) (all []string) {
	seen := make(map[string]bool)
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	for _, p := range ps {
		add(p.Name)
	}
	for _, l := range ls {
		add(l.Proxy)
	}
	return all
}

// reloaded: what its files say may be older or newer than what it runs with.
func (r Runtime) reloaded(written time.Time) []stackmend.Finding {
	var all []stackmend.Finding
	tell := func(message, fix string) {
		all = append(all, warn(CodeLiveDiffers, r.subject("the process"), message, fix))
	}
	if !r.Started.IsZero() && written.Truncate(time.Second).After(r.Started) {
		tell(fmt.Sprintf("it runs since %s, and its file was written at %s: what was changed is not in effect", stampText(r.Started), stampText(written)),
			"haproxy -c, then reload; if the file is another host's or was only touched, it is well")
		all[0].Confidence = stackmend.Medium
	}
	if r.Master.Failed > 0 {
		tell(fmt.Sprintf("the last %d reloads failed: it runs with the files of before", r.Master.Failed), "haproxy -c says what it refuses")
	}
	if n := len(r.Master.Old); n > 0 {
		tell(fmt.Sprintf("%d workers of before a reload still have sessions: those keep the old configuration and the servers that they have, and the runtime socket does not show them", n),
			"wait for their end, or end them (their PIDs are the evidence): of a database that is how two nodes have writers unseen; hard-stop-after in global bounds it")
		for _, p := range r.Master.Old {
			all[len(all)-1].Evidence = append(all[len(all)-1].Evidence, stackmend.Evidence{Source: "show proc", Value: fmt.Sprintf("worker %d, up %s", p.PID, p.Uptime)})
		}
	}
	return all
}

// differences are those of one section.
type differences struct {
	proxy string
	all   []string
}

func (d *differences) note(format string, args ...any) {
	d.all = append(d.all, fmt.Sprintf(format, args...))
}

func (d *differences) finding(r Runtime) []stackmend.Finding {
	if len(d.all) == 0 {
		return nil
	}
	f := warn(CodeLiveDiffers, r.subject(d.proxy), "it does not run as its file says: "+strings.Join(d.all, "; "),
		"reload it if the file is what is meant; otherwise write what is meant into the file, for at the next reload the file wins")
	for _, what := range d.all {
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: "show stat, show servers state", Value: what})
	}
	return []stackmend.Finding{f}
}

// section compares what has one name: a listen, or a frontend and a backend.
func (d *differences) section(ps []Proxy, rows []Live) {
	runs := len(rows) > 0
	switch wanted := slices.ContainsFunc(ps, func(p Proxy) bool { return !p.Disabled }); {
	case !wanted && runs && len(ps) > 0:
		d.note("it runs, and is disabled in the file")
		return
	case !wanted && runs:
		d.note("it runs, and is not in the file")
		return
	case !runs && wanted:
		d.note("it is in the file, and does not run")
		return
	}
	for _, p := range ps {
		if !p.Disabled {
			d.proxyAs(p, rows)
		}
	}
	for _, l := range rows {
		if l.isServer() && !slices.ContainsFunc(ps, func(p Proxy) bool { return p.has(l.Server) }) {
			d.note("server %s runs, and is not in the file", l.Server)
		}
	}
}

func (l Live) isServer() bool { return l.Server != "FRONTEND" && l.Server != "BACKEND" }

func (p Proxy) has(server string) bool {
	return slices.ContainsFunc(p.Servers, func(s Server) bool { return s.Name == server })
}

func (d *differences) proxyAs(p Proxy, rows []Live) {
	for _, l := range rows {
		switch {
		case l.Server == "FRONTEND" && p.Kind != "backend":
			if limit := p.MaxConn; limit > 0 && limit != l.Limit {
				d.note("maxconn is %d, and %d in the file", l.Limit, limit)
			}
			if p.Mode != l.Mode && l.Mode != "" {
				d.note("mode is %s, and %s in the file", l.Mode, p.Mode)
			}
		case l.Server == "BACKEND" && p.Kind != "frontend":
			if plain, _, _ := strings.Cut(p.Balance, "("); l.Balance != "" && plain != l.Balance {
				d.note("balance is %s, and %s in the file", l.Balance, p.Balance)
			}
		}
	}
	for _, s := range p.Servers {
		i := slices.IndexFunc(rows, func(l Live) bool { return l.Server == s.Name })
		if i < 0 {
			d.note("server %s is in the file, and does not run", s.Name)
			continue
		}
		d.server(s, rows[i])
	}
}

func (d *differences) server(s Server, l Live) {
	if s.MaxConn >= 0 && s.MaxConn != l.Limit {
		d.note("maxconn of server %s is %d, and %d in the file", s.Name, l.Limit, s.MaxConn)
	}
	if s.Weight >= 0 && s.Weight != l.Weight {
		d.note("weight of server %s is %d, and %d in the file", s.Name, l.Weight, s.Weight)
	}
	if s.Backup != l.Backup {
		d.note("server %s is backup: %v, and %v in the file", s.Name, l.Backup, s.Backup)
	}
	switch {
	case l.Admin != "" && !s.Disabled:
		d.note("server %s is in %s, which an operator has set and the file does not say", s.Name, l.Admin)
	case l.Admin == "" && s.Disabled:
		d.note("server %s takes requests, and is disabled in the file", s.Name)
	}
	file, err := netip.ParseAddrPort(s.Address)
	live, err2 := netip.ParseAddrPort(l.Address)
	if err == nil && err2 == nil && file != live { // names resolve to anything
		d.note("address of server %s is %v, and %v in the file", s.Name, live, file)
	}
}

// silent: a socket of level user does not tell how requests are spread.
func (r Runtime) silent(ps []Proxy) []stackmend.Finding {
	runs := slices.ContainsFunc(r.Servers, func(l Live) bool { return l.Server == "BACKEND" })
	if !runs || slices.ContainsFunc(r.Servers, func(l Live) bool { return l.Balance != "" }) || !slices.ContainsFunc(ps, func(p Proxy) bool { return len(p.Servers) > 1 }) {
		return nil
	}
	return []stackmend.Finding{{Code: CodeUnseen, Status: stackmend.Unknown, Subject: r.subject("balance"),
		Message: "its socket does not tell how requests are spread (level user), so that it is not known whether that is as the file says",
		Fix:     "give a stats socket of level operator or admin; ask nothing else of it"}}
}
