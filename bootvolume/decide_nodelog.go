package bootvolume

import (
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
)

// mostTold bounds the evidence of one finding.
const mostTold = 5

// told judges what the nodes of Galera have logged, above all while a batch
// was under way.
func (s *Snapshot) told(boots []Boot) []stackmend.Finding {
	var all []stackmend.Finding
	batch := spanOf(boots)
	for _, l := range s.NodeLogs {
		all = append(all, l.conflicts(batch)...)
		all = append(all, l.away(batch)...)
	}
	return all
}

// spanOf is from when the first instance asked until the last one ended.
func spanOf(boots []Boot) (all Span) {
	for _, b := range boots {
		for _, at := range []time.Time{b.Begun, b.Ended} {
			if !at.IsZero() && (all.First.IsZero() || at.Before(all.First)) {
				all.First = at
			}
			if at.After(all.Last) {
				all.Last = at
			}
		}
	}
	return all
}

func (l NodeLog) subject() string { return "error log of galera node " + l.Host }

func (l NodeLog) evidence(events []NodeEvent) (all []stackmend.Evidence) {
	for _, e := range events[:min(len(events), mostTold)] {
		all = append(all, stackmend.Evidence{Source: l.subject(), Value: e.Text, At: e.At})
	}
	return all
}

// conflicts: each was a deadlock (1213) to a service.
func (l NodeLog) conflicts(batch Span) []stackmend.Finding {
	var aborted, uncertified int
	var during, others []NodeEvent
	for _, e := range l.Events {
		switch {
		case e.Kind == Aborted:
			aborted++
		case e.Kind == Uncertified:
			uncertified++
		default:
			continue
		}
		if batch.covers(e.At) {
			during = append(during, e)
		} else {
			others = append(others, e)
		}
	}
	if aborted+uncertified == 0 {
		return nil
	}
	f := warn(CodeCertification, l.subject(),
		fmt.Sprintf("%d transactions were aborted for one from another node, and %d failed certification, %d of them while the batch was booted; each was a deadlock (1213) to its service", aborted, uncertified, len(during)),
		"let services write to one node, which costs the load sharing of reads; SELECT FOR UPDATE does not hold across nodes")
	f.Evidence, f.Confidence = l.evidence(append(during, others...)), stackmend.High
	return []stackmend.Finding{f}
}

// A spell is a time in which a node was no whole part of the cluster.
type spell struct {
	NodeEvent // its first; of kind NonPrimary if one in it is
	end       time.Time
	back      bool // Synced again; otherwise the log ends
}

func (l NodeLog) spells() (all []spell) {
	open := false
	for _, e := range l.Events {
		switch {
		case e.Kind == Synced && open:
			all[len(all)-1].end, all[len(all)-1].back, open = e.At, true, false
		case e.Kind != NonPrimary && e.Kind != Left:
		case !open:
			all, open = append(all, spell{NodeEvent: e, end: l.Last}), true
		case e.Kind == NonPrimary:
			all[len(all)-1].Kind = NonPrimary
		}
	}
	return all
}

// away judges them. Leaving Synced for a while is a node's life, and counts
// only while a batch was booted.
func (l NodeLog) away(batch Span) []stackmend.Finding {
	var all []stackmend.Finding
	for _, e := range l.spells() {
		hit := !batch.First.IsZero() && !e.At.After(batch.Last) && !e.end.Before(batch.First)
		until := "the end of its log"
		if e.back {
			until = stampText(e.end)
		}
		f := warn(CodeNotSynced, l.subject(), fmt.Sprintf("it was not Synced from %s to %s: what it had was late, and mysql-check takes a Donor for well", stampText(e.At), until),
			"have HAProxy ask for wsrep_local_state (clustercheck), so that it is left out meanwhile")
		switch {
		case e.Kind == NonPrimary:
			f.Message = fmt.Sprintf("it was no part of the Primary component from %s to %s: it refused queries (1047)", stampText(e.At), until)
			f.Fix = "find out what parted it from the others: the network, or nodes that died at once; a quorum needs more than half of them"
		case !hit:
			continue
		}
		if hit {
			f.Message += ", while the batch was booted"
		}
		f.Evidence = l.evidence([]NodeEvent{e.NodeEvent})
		all = append(all, f)
	}
	return all
}
