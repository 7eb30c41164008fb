package imagecache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend/internal/novaapi"
)

// ErrNoFleet: what was read cannot be a cloud's list of services or servers:
// it is empty, of another form, without a date, or an error of the API.
var ErrNoFleet = errors.New("imagecache: no list of the fleet")

// FleetFunc makes a function a FleetReader.
type FleetFunc func(ctx context.Context) (Fleet, error)

// Fleet calls f.
func (f FleetFunc) Fleet(ctx context.Context) (Fleet, error) { return f(ctx) }

// A List is one answer of the compute API that was kept, as ParseServices and
// ParseServers read it.
type List struct {
	Services []Service // nova-compute alone
	Servers  []Server
	// Incomplete says why rows may be missing.
	Incomplete []string
	// At is when the list was taken, if it says so in a key "at" (RFC 3339)
	// beside the list. Else the caller sets it, from the modification time of
	// the file for example: a list without a date is refused.
	At time.Time

	query url.Values // from a key "query" beside the list; nil: not said
}

// FleetFiles is a fleet that was kept in files: the JSON of `GET /os-services`,
// and of `GET /servers/detail` once for each list. They are read anew each time.
// A file that does not say when it was taken was taken when it was written.
//
// The error is that of opening a file, ErrNoFleet, or JoinFleet's.
func FleetFiles(services string, servers ...string) FleetReader {
	return FleetFunc(func(context.Context) (Fleet, error) {
		first, err := readList(services, ParseServices)
		if err != nil {
			return Fleet{}, err
		}
		var rest []List
		for _, path := range servers {
			l, err := readList(path, ParseServers)
			if err != nil {
				return Fleet{}, err
			}
			rest = append(rest, l)
		}
		return JoinFleet(first, rest...)
	})
}

func readList(path string, parse func(io.Reader) (List, error)) (List, error) {
	f, err := os.Open(path)
	if err != nil {
		return List{}, err
	}
	defer f.Close()
	l, err := parse(f)
	if err != nil {
		return l, fmt.Errorf("%s: %w", path, err)
	}
	if info, err := f.Stat(); err == nil && l.At.IsZero() {
		l.At = info.ModTime()
	}
	return l, nil
}

// ParseServices reads the JSON of `GET /os-services`, of any microversion.
//
// Beside "services" the file may say "at" (when it was taken, RFC 3339) and
// "microversion". Below 2.69 nova leaves out the services of a cell that it
// cannot reach, without a sign.
//
// Rows that may be missing are told in Incomplete: a file that ends in the
// middle, a further page, services of a cell that did not answer. A list
// without one nova-compute, the body of an API error and anything that is not
// such a list are ErrNoFleet.
func ParseServices(r io.Reader) (List, error) {
	var l List
	page, err := novaapi.ReadServices(r, func(row novaapi.Service) { l.addService(row) })
	if err != nil {
		return List{}, fmt.Errorf("%w: services: %w", ErrNoFleet, err)
	}
	if len(l.Services) == 0 {
		return List{}, fmt.Errorf("%w: no nova-compute among %d services", ErrNoFleet, page.Rows)
	}
	l.judge("services", page)
	return l, nil
}

// ParseServers reads the JSON of `GET /servers/detail`, of any microversion.
//
// Beside "servers" the file may say "at" (when it was taken, RFC 3339),
// "microversion" and "query" (what was asked, such as
// "all_tenants=1&soft_deleted=true"): what is said need not be guessed.
//
// Rows that may be missing are told in Incomplete: a file that ends in the
// middle, a further page, servers of a cell that did not answer, signs of a
// microversion below 2.69, of a token without the admin role or of a list of
// one project. An empty list, the body of an API error and anything that is
// not such a list are ErrNoFleet.
func ParseServers(r io.Reader) (List, error) {
	var l List
	signs := signs{projects: map[string]bool{}}
	page, err := novaapi.ReadServers(r, func(row novaapi.Server) {
		signs.see(row)
		l.Servers = append(l.Servers, serverOf(row))
	})
	if err != nil {
		return List{}, fmt.Errorf("%w: servers: %w", ErrNoFleet, err)
	}
	if len(l.Servers) == 0 {
		return List{}, fmt.Errorf("%w: the list of servers is empty", ErrNoFleet)
	}
	l.judge("servers", page)
	l.Incomplete = append(l.Incomplete, signs.tell(page)...)
	return l, nil
}

func (l *List) addService(row novaapi.Service) {
	if row.Binary != "nova-compute" {
		return
	}
	l.Services = append(l.Services, Service{Host: row.Host, State: row.State, Status: row.Status,
		Disabled: row.DisabledReason, ForcedDown: row.ForcedDown, Updated: row.Updated})
	if row.Status == novaapi.Unknown || row.State == "" {
		l.Incomplete = append(l.Incomplete, fmt.Sprintf("the cell of compute %q did not answer", row.Host))
	}
}

func serverOf(row novaapi.Server) Server {
	return Server{ID: row.ID, Name: row.Name, Host: row.Host, Status: row.Status, Image: row.Image, VolumesAttached: row.Volumes > 0}
}

// judge tells what a page says of rows that are not in it.
func (l *List) judge(what string, p novaapi.Page) {
	l.At, l.query = p.At, p.Query
	if p.Cut {
		l.Incomplete = append(l.Incomplete, fmt.Sprintf("the list of %s ends in the middle, after %d rows", what, p.Rows))
	}
	if p.Next != "" {
		l.Incomplete = append(l.Incomplete, fmt.Sprintf("the list of %s has a further page: %.200s", what, p.Next))
	}
	if p.Microversion != "" && !showsDownCells(p.Microversion) {
		l.Incomplete = append(l.Incomplete, fmt.Sprintf("the list of %s was taken at microversion %.20q: below 2.69 a cell that cannot be reached is left out without a sign", what, p.Microversion))
	}
}

// showsDownCells: from 2.69 on, rows stand for what a lost cell holds.
func showsDownCells(microversion string) bool {
	major, minor, ok := strings.Cut(microversion, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return ok && err1 == nil && err2 == nil && a == 2 && b >= 69
}

// signs are what rows of servers betray of how they were asked for.
type signs struct {
	rows, lost, hostless, old int
	projects                  map[string]bool
}

func (s *signs) see(row novaapi.Server) {
	s.rows++
	if len(s.projects) < 2 {
		s.projects[row.Project] = true
	}
	switch {
	case row.Status == novaapi.Unknown:
		s.lost++
	case !row.HostTold:
		s.hostless++
	case !row.CertsTold:
		s.old++
	}
}

// tell says why rows may be missing. What the file itself says of its query
// and microversion is not guessed from the rows.
func (s *signs) tell(p novaapi.Page) (why []string) {
	if s.lost > 0 {
		why = append(why, fmt.Sprintf("%d servers are of status UNKNOWN: their cell did not answer", s.lost))
	}
	if s.hostless > 0 {
		why = append(why, fmt.Sprintf("%d servers do not tell their host: the list was taken without the admin role", s.hostless))
	}
	if s.old > 0 {
		why = append(why, "the list of servers was taken below microversion 2.69, where a cell that cannot be reached is left out without a sign")
	}
	if p.Query == nil && s.rows > 1 && len(s.projects) == 1 {
		why = append(why, `all servers are of one project: if there is no other, say "query":"all_tenants=1" beside the list`)
	}
	return why
}

// JoinFleet makes one fleet of the list of services and the two lists of
// servers: the one of all projects without any other filter, in which nova
// tells of cells that did not answer, and the one with soft_deleted=true.
//
// Its At is that of the oldest list. A server that moved between two lists
// stands in the fleet twice, once for each host. A list without a date or
// without rows is ErrNoFleet; a missing second list is told in Incomplete.
func JoinFleet(services List, servers ...List) (Fleet, error) {
	f := Fleet{Services: services.Services, At: services.At, Incomplete: slices.Clone(services.Incomplete)}
	for _, l := range servers {
		f.Servers = append(f.Servers, l.Servers...)
		f.Incomplete = append(f.Incomplete, l.Incomplete...)
	}
	for _, l := range append([]List{services}, servers...) {
		if l.At.IsZero() {
			return Fleet{}, fmt.Errorf("%w: a list does not say when it was taken", ErrNoFleet)
		}
		if l.At.Before(f.At) {
			f.At = l.At
		}
	}
	if len(f.Services) == 0 || len(f.Servers) == 0 {
		return Fleet{}, fmt.Errorf("%w: %d services, %d servers", ErrNoFleet, len(f.Services), len(f.Servers))
	}
	f.Incomplete = append(f.Incomplete, lacking(servers)...)
	f.tidy()
	return f, nil
}

// tidy sorts, and keeps one of equal rows.
func (f *Fleet) tidy() {
	f.Services = slices.Clone(f.Services)
	slices.SortFunc(f.Services, func(a, b Service) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.State, b.State), a.Updated.Compare(b.Updated))
	})
	f.Services = slices.Compact(f.Services)
	slices.SortFunc(f.Servers, func(a, b Server) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Image, b.Image), cmp.Compare(a.Status, b.Status))
	})
	f.Servers = slices.Compact(f.Servers)
	slices.Sort(f.Incomplete)
	f.Incomplete = slices.Compact(f.Incomplete)
}

// lacking says which of the two lists of servers is not there. A list that
// does not say what it was asked may stand for either, but only for one.
func lacking(lists []List) (why []string) {
	var live, soft, unsaid int
	for _, l := range lists {
		switch {
		case l.query == nil:
			unsaid++
		case !truth(l.query, "all_tenants"):
			why = append(why, "a list of servers was asked for without all_tenants")
		case truth(l.query, "soft_deleted") && len(l.query) == 2:
			soft++
		case len(l.query) == 1:
			live++
		default:
			why = append(why, fmt.Sprintf("a list of servers was filtered: %.100s", l.query.Encode()))
		}
	}
	if live == 0 && unsaid > 0 {
		live, unsaid = 1, unsaid-1
	}
	if live == 0 {
		why = append(why, "no list of servers with all_tenants=1 and nothing else: in the others a cell that cannot be reached is left out without a sign")
	}
	if soft == 0 && unsaid == 0 {
		why = append(why, "no list of servers with soft_deleted=true: the others leave out what is soft-deleted")
	}
	return why
}

// truth reads a boolean of a query as nova does.
func truth(q url.Values, key string) bool {
	return slices.Contains([]string{"1", "t", "true", "on", "y", "yes"}, strings.ToLower(q.Get(key)))
}
