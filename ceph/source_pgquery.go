package ceph

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"
)

// maxQueries is how many stuck PGs are asked themselves.
const maxQueries = 5

// A PGQuery is what a PG says of itself (`pg PGID query`).
type PGQuery struct {
	ID, State string
	// Versions "epoch'version" of its log, as its primary sees them.
	LastUpdate, LastComplete, LogTail string
	LastBackfill                      string // MAX: complete
	Peers                             []PGPeer
	Blocked                           string // in Ceph's words why peering waits; empty: it does not
	WouldProbe                        []int  // OSDs that are down and may know more
	BlockedBy                         []int
	Err                               string // why it did not answer
}

// A PGPeer is another member of a PG, as the primary sees it.
type PGPeer struct{ Peer, LastUpdate, LogTail, LastBackfill string }

type pgInfoJSON struct {
	Peer         string `json:"peer"`
	LastUpdate   string `json:"last_update"`
	LastComplete string `json:"last_complete"`
	LogTail      string `json:"log_tail"`
	LastBackfill string `json:"last_backfill"`
}

type pgQueryJSON struct {
	State    string       `json:"state"`
	Info     pgInfoJSON   `json:"info"`
	PeerInfo []pgInfoJSON `json:"peer_info"`
	Recovery []struct {
		Blocked    string `json:"blocked"`
		WouldProbe []int  `json:"down_osds_we_would_probe"`
		BlockedBy  []struct {
			OSD int `json:"osd"`
		} `json:"peering_blocked_by"`
	} `json:"recovery_state"`
}

// readPGQuery reads `pg query` (PG::handle_query_state, src/osd/PeeringState.cc).
func readPGQuery(r io.Reader) (PGQuery, error) {
	var j pgQueryJSON
	if err := decodeJSON(r, &j); err != nil {
		return PGQuery{}, err
	}
	if j.State == "" || j.Info.LastUpdate == "" {
		return PGQuery{}, errors.New("ceph: pg query without state or info")
	}
	q := PGQuery{
		State: j.State, LastUpdate: j.Info.LastUpdate, LastComplete: j.Info.LastComplete,
		LogTail: j.Info.LogTail, LastBackfill: j.Info.LastBackfill,
	}
	for _, p := range j.PeerInfo {
		q.Peers = append(q.Peers, PGPeer{p.Peer, p.LastUpdate, p.LogTail, p.LastBackfill})
	}
	for _, s := range j.Recovery {
		if s.Blocked != "" {
			q.Blocked = s.Blocked
		}
		q.WouldProbe = append(q.WouldProbe, s.WouldProbe...)
		for _, b := range s.BlockedBy {
			q.BlockedBy = append(q.BlockedBy, b.OSD)
		}
	}
	slices.Sort(q.WouldProbe)
	q.WouldProbe = slices.Compact(q.WouldProbe)
	return q, nil
}

// queries asks the worst of the stuck PGs themselves. One without a primary
// does not answer; that it did not is kept with it.
func (w *observer) queries(ctx context.Context) {
	top := w.s.PGs.Stuck.Top
	for _, pg := range top[:min(len(top), maxQueries)] {
		q, err := w.query(ctx, pg.ID)
		if q.ID = pg.ID; err != nil {
			q.Err = err.Error()
		}
		w.s.Queries = append(w.s.Queries, q)
	}
}

func (w *observer) query(ctx context.Context, id string) (PGQuery, error) {
	ctx, cancel := context.WithTimeout(ctx, min(w.Timeout, 10*time.Second))
	defer cancel()
	r, err := w.to.Command(ctx, Command{To: ToPG(id), Prefix: "query"})
	if err != nil {
		return PGQuery{}, err
	}
	q, err := readPGQuery(r)
	return q, errors.Join(err, r.Close())
}
