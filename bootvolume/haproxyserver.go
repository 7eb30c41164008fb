package bootvolume

import (
	"fmt"
	"strconv"
	"strings"
)

// A Server is one server of a proxy, with what it inherits from default-server.
type Server struct {
	Name, Address string
	Backup, Check bool
	OnUp, OnDown  string // on-marked-up, on-marked-down
	Disabled      bool
	MaxConn       int64 // connections, of HTTP requests, at once; zero: no limit; NotKnown
	Weight        int64 // 1 unless said; NotKnown
}

// NotKnown is a number that HAProxy takes from its environment.
const NotKnown = -1

func (s *settings) add(name, address string, words []string) {
	server := s.server
	server.Name, server.Address = name, address
	server.set(words)
	s.proxy.Servers = append(s.proxy.Servers, server)
}

// mostServers bounds what one server-template makes, and mostMade what all of
// a configuration do: a few lines must not cost the memory of millions.
const (
	mostServers = 1 << 12
	mostMade    = 1 << 16
)

// template takes server-template PREFIX NUMBER|FROM-TO ADDRESS: servers of one
// kind, whose addresses are found later.
func (s *settings) template(words []string) error {
	if len(words) < 4 {
		return fmt.Errorf("%w: server-template without an address", ErrSyntax)
	}
	from, to, ranged := strings.Cut(words[2], "-")
	if !ranged {
		from, to = "1", from
	}
	first, err := strconv.ParseUint(from, 10, 31)
	last, err2 := strconv.ParseUint(to, 10, 31)
	if err != nil || err2 != nil || first > last || last-first >= mostServers {
		return fmt.Errorf("%w: server-template of %q servers", ErrSyntax, words[2])
	}
	for n := first; n <= last; n++ {
		s.add(words[1]+strconv.FormatUint(n, 10), words[3], words[4:])
	}
	return nil
}

// count reads a number as HAProxy does: the digits that it begins with.
func count(text string) int64 {
	if strings.Contains(text, "$") {
		return NotKnown
	}
	end := 0
	for end < len(text) && isDigit(text[end]) {
		end++
	}
	n, err := strconv.ParseInt(text[:end], 10, 32)
	if err != nil {
		return 0
	}
	return n
}

func (s *Server) set(words []string) {
	for i, w := range words {
		next := ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		switch w {
		case "backup":
			s.Backup = true
		case "check":
			s.Check = true
		case "no-check":
			s.Check = false
		case "no-backup":
			s.Backup = false
		case "disabled", "enabled":
			s.Disabled = w == "disabled"
		case "maxconn":
			s.MaxConn = count(next)
		case "weight":
			s.Weight = count(next)
		case "on-marked-up":
			s.OnUp = next
		case "on-marked-down":
			s.OnDown = next
		}
	}
}
