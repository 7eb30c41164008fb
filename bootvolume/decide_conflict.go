package bootvolume

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// oneWriter is the remedy for conflicts, with what it costs.
const oneWriter = "let all services write to one node of Galera (the others backup in HAProxy), which costs the load sharing of reads"

// erred judges a request that cinder-api failed at.
func (s judging) erred(c *Create) verdict {
	if !deadlock.MatchString(c.Erred) {
		return verdict{code: CodeAPIFailed, byOrder: true, message: "cinder-api failed: " + short(c.Erred), fix: "look at the traceback in its log"}
	}
	v := verdict{code: CodeDatabaseConflict, byOrder: true, fix: oneWriter,
		message: "cinder-api gave up at a deadlock (1213): between nodes of Galera that is a certification conflict, another node was quicker each time"}
	if c.Conflicts > 0 {
		v.message += fmt.Sprintf(", %d times", c.Conflicts)
	}
	if nodes := s.abortedBeside(c); nodes != "" {
		v.message += "; meanwhile nodes aborted transactions for others: " + nodes
	} else {
		v.message += "; a deadlock in one node looks the same, and no error log of a node at hand has a conflict of that time"
		v.fix += "; wsrep_log_conflicts=ON has the nodes tell of them"
	}
	return v
}

// abortedBeside are the nodes whose error logs have conflicts while a request
// was at cinder-api, and how many. Which of them it wrote to is not known.
func (s judging) abortedBeside(c *Create) string {
	var nodes []string
	for _, l := range s.NodeLogs {
		n := 0
		for _, e := range l.Events {
			if (e.Kind == Aborted || e.Kind == Uncertified) && !e.At.Before(c.Seen.Add(-slack)) && !e.At.After(c.Last.Add(slack)) {
				n++
			}
		}
		if n > 0 {
			nodes = append(nodes, fmt.Sprintf("%s %d", l.Host, n))
		}
	}
	return strings.Join(nodes, ", ")
}

// conflicts tells of requests that met conflicts at a cinder-api, of each: those
// that were tried again and went through are not lost, only late.
func (s judging) conflicts(boots []Boot) (all []stackmend.Finding) {
	of := make(map[string][]Post)
	for _, b := range boots {
		for _, a := range b.Asks {
			for _, p := range a.Posts {
				if c := p.Cinder; c != nil && (c.Conflicts > 0 || c.Uncounted != "" && deadlock.MatchString(c.Uncounted)) {
					of[c.Host] = append(of[c.Host], p)
				}
			}
		}
	}
	for _, host := range slices.Sorted(maps.Keys(of)) {
		all = append(all, conflictsAt(host, of[host]))
	}
	return all
}

func conflictsAt(host string, posts []Post) stackmend.Finding {
	var aborted, lost, uncounted int
	var longest time.Duration
	f := warn(CodeCertification, "cinder-api "+host, "", oneWriter)
	for _, p := range posts {
		c := p.Cinder
		aborted += c.Conflicts
		if deadlock.MatchString(c.Erred) {
			lost++
		}
		if c.Uncounted != "" {
			uncounted++
		}
		longest = max(longest, c.Last.Sub(c.Seen))
		if len(f.Evidence) < mostTold {
			f.Evidence = append(f.Evidence, stackmend.Evidence{Source: f.Subject, At: c.Seen,
				Value: fmt.Sprintf("%s: %d transactions aborted, %v at cinder-api", c.Own, c.Conflicts, c.Last.Sub(c.Seen).Round(time.Millisecond))})
		}
	}
	f.Message = fmt.Sprintf("%d requests for volumes met conflicts in the database (1213): %d transactions were aborted; the longest request took %v; %d were given up",
		len(posts), aborted, longest.Round(time.Millisecond), lost)
	if uncounted > 0 {
		f.Message += fmt.Sprintf("; of %d volumes that were created the quota has only a reservation, which expires: the project's usage is then told too low", uncounted)
		f.Fix += "; cinder-manage quota check finds usages that are wrong, quota sync writes them anew"
	}
	return f
}
