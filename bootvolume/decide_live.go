package bootvolume

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// live judges what runs now.
func (s *Snapshot) live() []stackmend.Finding {
	var all []stackmend.Finding
	for _, r := range s.Running {
		all = append(all, s.running(r)...)
		all = append(all, s.asWritten(r)...)
	}
	late := s.late()
	for _, n := range s.Nodes {
		all = append(all, n.judge()...)
		if v := n.Variables["wsrep_sync_wait"]; late && v != "" && !waitsForReads(v) {
			all = append(all, readAfterWrite(n.subject(), "wsrep_sync_wait = "+v))
		}
		all = append(all, s.differs(n)...)
		all = append(all, n.idle(s.recycle())...)
	}
	all = append(all, s.apart()...)
	return append(all, s.probed()...)
}

// running judges a HAProxy by its runtime API.
func (s *Snapshot) running(r Runtime) []stackmend.Finding {
	all := r.full()
	proxies := make(map[string][]Live)
	for _, l := range r.Servers {
		if l.Server != "FRONTEND" && l.Server != "BACKEND" {
			proxies[l.Proxy] = append(proxies[l.Proxy], l)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(proxies)) {
		all = append(all, r.down(name, proxies[name])...)
		if s.isDatabase(name, proxies[name]) {
			all = append(all, r.writing(name, proxies[name])...)
		}
	}
	return all
}

func (r Runtime) subject(proxy string) string { return fmt.Sprintf("haproxy %s: %s", r.Host, proxy) }

// full: new connections wait in the kernel, and HAProxy logs nothing of them.
func (r Runtime) full() []stackmend.Finding {
	var all []stackmend.Finding
	tell := func(what string, now, most int64) {
		all = append(all, warn(CodeConnectionsFull, r.subject(what), fmt.Sprintf("%d connections of at most %d: what comes beyond waits unseen in the kernel, and is lost if it gives up", now, most),
			"raise maxconn, with the memory and file descriptors that it needs, or find who holds the connections"))
	}
	if r.Most > 0 && r.Connections >= r.Most {
		tell("the process", r.Connections, r.Most)
	}
	for _, l := range r.Servers {
		if l.Limit > 0 && l.Peak >= l.Limit && l.Server != "BACKEND" { // that one's is no limit, but HAProxy's guess for fullconn
			tell(l.Proxy+"/"+l.Server+" at its peak", l.Peak, l.Limit)
		}
	}
	return all
}

func (l Live) up() bool {
	return l.Admin == "" && (strings.HasPrefix(l.Status, "UP") || l.Status == "no check")
}

func (r Runtime) down(proxy string, servers []Live) []stackmend.Finding {
	var evidence []stackmend.Evidence
	for _, l := range servers {
		if !l.up() {
			evidence = append(evidence, stackmend.Evidence{Source: "show stat", Value: fmt.Sprintf("%s %s %s %s", l.Server, l.Status, l.Admin, l.LastCheck)})
		}
	}
	if len(evidence) == 0 {
		return nil
	}
	f := warn(CodeServersDown, r.subject(proxy), fmt.Sprintf("%d of %d servers take no requests", len(evidence), len(servers)),
		"look at these servers; with none left HAProxy answers 503")
	f.Evidence = evidence
	if len(evidence) == len(servers) {
		f.Status = stackmend.Fail
	}
	return []stackmend.Finding{f}
}

// isDatabase goes by the configuration where that was read.
func (s *Snapshot) isDatabase(name string, servers []Live) bool {
	p := Proxy{Name: name}
	for _, l := range servers {
		p.Servers = append(p.Servers, Server{Name: l.Server, Address: l.Address})
	}
	return p.isGalera() || slices.ContainsFunc(s.Proxies, func(p Proxy) bool { return p.Name == name && p.isGalera() })
}

// writing counts the servers that hold sessions now.
func (r Runtime) writing(proxy string, servers []Live) []stackmend.Finding {
	var holds []string
	backup := false
	for _, l := range servers {
		backup = backup || l.Backup
		if l.Sessions > 0 {
			holds = append(holds, fmt.Sprintf("%s %d", l.Server, l.Sessions))
		}
	}
	if len(holds) < 2 {
		return nil
	}
	f := warn(CodeSeveralWriters, r.subject(proxy), "sessions are on several Galera nodes now: "+strings.Join(holds, ", "),
		"one server, the others as backup with on-marked-up shutdown-backup-sessions")
	if backup { // it was meant to be one
		f.Fix = "end the sessions of the backup (shutdown sessions server); on-marked-up shutdown-backup-sessions keeps it from coming again; services connect anew once"
	}
	return []stackmend.Finding{f}
}

func (n Node) subject() string { return "galera node " + n.Host }

func (n Node) judge() []stackmend.Finding {
	var all []stackmend.Finding
	if n.Status["wsrep_local_state_comment"] == "" {
		f := warn(CodeUnseen, n.subject(), "the server says nothing of Galera (wsrep is off?)", "check that this is a node of the cluster")
		f.Status = stackmend.Unknown
		return []stackmend.Finding{f}
	}
	if state := n.Status["wsrep_local_state_comment"]; state != "Synced" || n.Status["wsrep_cluster_status"] != "Primary" || n.Status["wsrep_ready"] != "ON" {
		f := warn(CodeNotSynced, n.subject(), fmt.Sprintf("state %s, cluster status %s, ready %s", state, n.Status["wsrep_cluster_status"], n.Status["wsrep_ready"]),
			"take it out of HAProxy until it is Synced: mysql-check leaves a Donor up, and what it has is late")
		if n.Status["wsrep_cluster_status"] != "Primary" {
			f.Status = stackmend.Fail
		}
		all = append(all, f)
	}
	all = append(all, n.paused()...)
	all = append(all, n.conflicts()...)
	all = append(all, n.refused()...)
	if v := n.Variables["innodb_flush_log_at_trx_commit"]; v != "" && v != "1" {
		all = append(all, durability(n.subject(), v))
	}
	return all
}

// paused: from a tenth of the time on, writers notice.
func (n Node) paused() []stackmend.Finding {
	if n.Over <= 0 || n.Paused*10 < n.Over {
		return nil
	}
	who := "another node"
	if n.Status["wsrep_flow_control_requested"] == "true" {
		who = "this node"
	}
	return []stackmend.Finding{warn(CodeFlowControl, n.subject(),
		fmt.Sprintf("writes stood still for %v of %v; %s asked for it, with %s write sets to apply", n.Paused.Round(time.Millisecond), n.Over.Round(time.Millisecond), who, n.Status["wsrep_local_recv_queue"]),
		"find what keeps the node with the longest wsrep_local_recv_queue from applying: a lock, a backup, a slow disk; more wsrep_slave_threads cost memory and can conflict")}
}

// conflicts are told with confidence of the time that was looked at, and
// otherwise as what they are: old, perhaps.
func (n Node) conflicts() []stackmend.Finding {
	aborts, failures := n.count("wsrep_local_bf_aborts"), n.count("wsrep_local_cert_failures")
	if aborts+failures+n.Aborted+n.Uncertified == 0 {
		return nil
	}
	f := warn(CodeCertification, n.subject(),
		fmt.Sprintf("%d transactions were aborted for one from another node, and %d failed certification, since the server began or FLUSH STATUS; each was a deadlock (1213) to its service", aborts, failures),
		"let services write to one node, which costs the load sharing of reads; SELECT FOR UPDATE does not hold across nodes")
	switch {
	case n.Aborted+n.Uncertified > 0:
		f.Message = fmt.Sprintf("within %v %d transactions were aborted for one from another node, and %d failed certification; each was a deadlock (1213) to its service", n.Over.Round(time.Millisecond), n.Aborted, n.Uncertified)
		f.Confidence = stackmend.High
	case n.Over > 0:
		f.Message += fmt.Sprintf("; none within %v", n.Over.Round(time.Millisecond))
		f.Fix += "; look again while a batch is booted, for as long as it takes"
		f.Confidence = stackmend.Low
	default:
		f.Confidence = stackmend.Low
	}
	return []stackmend.Finding{f}
}

// refused: a service that could not connect has nothing in any log of Galera.
func (n Node) refused() []stackmend.Finding {
	times, peak := n.count("connection_errors_max_connections"), n.count("max_used_connections")
	if times == 0 {
		return nil
	}
	f := warn(CodeConnectionsFull, n.subject(),
		fmt.Sprintf("it refused %d connections (1040, Too many connections) since it began or FLUSH STATUS: max_connections is %s, and %d were open at once", times, n.Variables["max_connections"], peak),
		"max_connections of what the pools of all services may open, with the memory of as many sessions; or smaller pools (max_pool_size, max_overflow)")
	return []stackmend.Finding{f}
}

func (n Node) count(name string) int64 {
	c, err := strconv.ParseInt(n.Status[name], 10, 64)
	if err != nil {
		return 0
	}
	return c
}

// idle: the server itself ends sessions that are idle.
func (n Node) idle(recycle time.Duration) []stackmend.Finding {
	seconds, err := strconv.ParseInt(n.Variables["wait_timeout"], 10, 32)
	if d := time.Duration(seconds) * time.Second; err == nil && d > 0 && d < recycle {
		return []stackmend.Finding{warn(CodeTimeoutTooShort, n.subject(), fmt.Sprintf("wait_timeout %v cuts idle sessions that services keep %s", d, kept(recycle)),
			"more than connection_recycle_time of oslo.db, or a connection_recycle_time below it; sessions that nobody uses then stay as long")}
	}
	return nil
}

// differs compares a node with its file.
func (s *Snapshot) differs(n Node) []stackmend.Finding {
	var all []stackmend.Finding
	for _, g := range s.nodeConfs() {
		if g.Host != n.Host {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(n.Variables)) {
			file, ok := g.Variables[name]
			if live := n.Variables[name]; ok && !sameValue(file, live) {
				all = append(all, warn(CodeLiveDiffers, n.subject(), fmt.Sprintf("%s is %s, and its file says %s", name, live, file),
					"set the file, or the server: at its next start the file wins"))
			}
		}
	}
	return all
}

// sameValue knows how a file may spell a boolean.
func sameValue(a, b string) bool {
	plain := func(v string) string {
		switch v = strings.ToLower(v); v {
		case "on", "true", "yes", "":
			return "1"
		case "off", "false", "no":
			return "0"
		}
		return v
	}
	return plain(a) == plain(b)
}

// apart: nodes that do not see the same cluster.
func (s *Snapshot) apart() []stackmend.Finding {
	seen := make(map[string][]string)
	for _, n := range s.Nodes {
		if id := n.Status["wsrep_cluster_state_uuid"]; id != "" {
			key := fmt.Sprintf("%s of %s nodes", id, n.Status["wsrep_cluster_size"])
			seen[key] = append(seen[key], n.Host)
		}
	}
	if len(seen) < 2 {
		return nil
	}
	f := warn(CodeNotSynced, "galera", "the nodes do not see the same cluster", "find out which part is Primary before anything is restarted")
	f.Status = stackmend.Fail
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: "wsrep_cluster_state_uuid, wsrep_cluster_size", Value: key + ": " + strings.Join(seen[key], ", ")})
	}
	return []stackmend.Finding{f}
}
