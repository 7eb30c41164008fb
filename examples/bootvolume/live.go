package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/bootvolume"
	"github.com/stackmend/stackmend/examples/cli"
)

// dsns is the variable of the environment with the nodes of Galera:
// NAME=USER:PASSWORD@tcp(HOST:3306)/DATABASE, separated by blanks.
const dsns = "BOOTVOLUME_GALERA"

// planValid is how long a plan may wait to be carried out.
const planValid = time.Hour

// A node is a connection to a node of Galera.
type node struct {
	name, dsn string
	db        *sql.DB
}

// connect opens the nodes that the environment names. A DSN is never printed:
// it holds a password.
func (s *settings) connect() error {
	if len(s.nodes) > 0 {
		return nil
	}
	for i, word := range strings.Fields(s.getenv(dsns)) {
		name, dsn, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return cli.Usage("%s: node %d is not NAME=DSN", dsns, i+1)
		}
		db, err := sql.Open("mysql", dsn)
		if err != nil {
			return cli.Usage("%s: node %s: not a DSN", dsns, name)
		}
		s.nodes = append(s.nodes, node{name, dsn, db})
	}
	return nil
}

// readLive asks what runs now. What does not answer is unknown, and hides
// nothing of the rest.
func (s *settings) readLive(ctx context.Context) error {
	if err := s.connect(); err != nil {
		return err
	}
	if err := s.masters(); err != nil {
		return err
	}
	unseen := func(err error) { s.snapshot.Unseen = append(s.snapshot.Unseen, err.Error()) }
	for _, word := range s.haproxySocket {
		host, addr := hostAndFile(word)
		r, err := bootvolume.ReadRuntime(ctx, dialer(addr), host)
		if err != nil {
			unseen(fmt.Errorf("HAProxy's runtime API: %w", err))
			continue
		}
		for _, word := range s.haproxyMaster {
			if of, addr := hostAndFile(word); of == host {
				if err := r.ReadMaster(ctx, dialer(addr)); err != nil {
					unseen(fmt.Errorf("HAProxy's master: %w", err))
				}
			}
		}
		s.snapshot.Running = append(s.snapshot.Running, r)
	}
	for _, n := range s.nodes {
		live, err := bootvolume.ReadNode(ctx, n.db, n.name, s.sample)
		if err != nil {
			unseen(fmt.Errorf("galera: %w", err))
			continue
		}
		s.snapshot.Nodes = append(s.snapshot.Nodes, live)
	}
	return nil
}

// masters looks that each master is of a HAProxy that is asked.
func (s *settings) masters() error {
	for _, word := range s.haproxyMaster {
		host, _ := hostAndFile(word)
		if !slices.ContainsFunc(s.haproxySocket, func(w string) bool { h, _ := hostAndFile(w); return h == host }) {
			return cli.Usage("-haproxy-master %s: give -haproxy-socket of host %s too", word, host)
		}
	}
	return nil
}

// dialer takes a path, or HOST:PORT.
func dialer(addr string) bootvolume.Dialer {
	network := "unix"
	if !strings.Contains(addr, "/") && strings.Contains(addr, ":") {
		network = "tcp"
	}
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}
}

// plan is the probe or the edit, if one is wanted.
func (s *settings) plan(ctx context.Context) (*stackmend.Plan, error) {
	switch {
	case len(s.set) > 0 && s.probe != "":
		return nil, cli.Usage("-probe and -set are plans of their own: one of them")
	case len(s.set) > 0:
		return s.planEdit(ctx)
	case s.probe == "":
		return nil, nil
	}
	if len(s.nodes) == 0 {
		return nil, cli.Usage("-probe: %s names no node", dsns)
	}
	p := bootvolume.Probe{Database: s.probe, Rounds: s.rounds, Wait: s.wait}
	for _, n := range s.nodes {
		p.Nodes = append(p.Nodes, n.name)
	}
	plan, err := bootvolume.PlanProbe(p, time.Now(), planValid)
	if errors.Is(err, bootvolume.ErrProbe) {
		return nil, cli.Usage("%v", err)
	}
	return plan, err
}

func (s *settings) applier(_ context.Context, p *stackmend.Plan) (stackmend.Applier, error) {
	if isEdit(p) {
		return s.editor(p)
	}
	if err := s.connect(); err != nil {
		return nil, err
	}
	byName := make(map[string]*sql.DB)
	for _, n := range s.nodes {
		byName[n.name] = n.db
	}
	s.prober = bootvolume.NewProber(byName)
	return s.prober, nil
}

// measured prints what a probe has seen, and what that means.
func (s *settings) measured(w io.Writer) {
	if s.prober == nil || len(s.prober.Rows()) == 0 {
		return
	}
	rows := s.prober.Rows()
	slices.SortFunc(rows, func(a, b bootvolume.Lateness) int { return strings.Compare(a.Writer+a.Reader, b.Writer+b.Reader) })
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_ = cli.Note(t, "written on\tread on\trows\tmissing at first\tmedian until seen\tlongest\n")
	for _, l := range rows {
		_ = cli.Note(t, "%s\t%s\t%d\t%d\t%v\t%v\n", l.Writer, l.Reader, l.Rows, l.Missed, l.Median, l.Longest)
	}
	_ = t.Flush()
	for _, f := range bootvolume.Check(&bootvolume.Snapshot{Rows: rows}).Findings {
		_ = cli.Note(w, "%s %s: %s\n", f.Code, f.Subject, f.Message)
	}
}
