package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/pglog"
	"github.com/stackmend/stackmend/ceph/supervisor"
)

// trimmed is what is planned for an OSD whose memory is back after a restart:
// its PG logs, which are read again at each start, cut to what
// examples/ceph-trim-pglog leaves by default. Once it has settled its placement
// groups are active, so theirs are in the plan: idle ones need it.
var trimmed = pglog.Policy{MaxEntries: 500, Active: true}

// planTrim writes the plan of a trim beside the state, for review: nothing of it
// is done here. It returns what is to be told of it.
func (s *settings) planTrim(ctx context.Context, to ceph.Commander, super supervisor.Supervisor, osd int) (string, error) {
	c := pglog.Config{Cluster: to, Supervisor: super, Tool: pglog.Tool{Data: s.data}}
	if s.super == "cephadm" {
		c.Tool.Command = []string{"cephadm", "shell", "--fsid", s.fsid, "--name", "osd.{id}", "--", "ceph-objectstore-tool"}
		c.Tool.Files = "/var/lib/ceph/" + s.fsid + "/osd.{id}"
	}
	snap, err := pglog.Observe(ctx, c, pglog.Options{OSDs: []int{osd}})
	if err != nil {
		return "", err
	}
	plan := pglog.Plan(snap, trimmed)
	if len(plan.Steps) == 0 {
		return fmt.Sprintf("its PG logs are not to be trimmed here: %s. Raise its limit or find the leak (ceph-check)", because(plan)), nil
	}
	b, err := json.MarshalIndent(plan, "", " ")
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(s.state), fmt.Sprintf("trim-osd.%d.plan", osd))
	if err := writeFile(path, append(b, '\n'), 0o600); err != nil {
		return "", err
	}
	return fmt.Sprintf("the trim of its PG logs is planned in %s, good until %s, those of active placement groups too: where these take writes, ceph-pressure trim-online is milder; otherwise review the plan, and run it by ceph-trim-pglog -osd %d -run %s -apply",
		path, plan.Expires.UTC().Format("2006-01-02T15:04Z"), osd, path), nil
}

// because is why a plan has no steps.
func because(p *stackmend.Plan) string {
	why := append([]string(nil), p.Refusals...)
	for _, k := range p.Kept {
		why = append(why, k.Reason)
	}
	return strings.Join(why, "; ")
}
