package bootvolume

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// recycleByDefault is oslo.db's connection_recycle_time: services keep idle
// sessions that long.
const recycleByDefault = time.Hour

// recycle is how long some service keeps idle sessions.
func (s *Snapshot) recycle() time.Duration {
	most := time.Duration(0)
	for _, c := range s.Services {
		if c.Recycle < 0 {
			return math.MaxInt64
		}
		most = max(most, c.Recycle)
	}
	return cmp.Or(most, recycleByDefault)
}

func kept(recycle time.Duration) string {
	if recycle == math.MaxInt64 {
		return "for good"
	}
	return "for " + recycle.String()
}

// configurations judges what was read of them.
func (s *Snapshot) configurations(boots []Boot) []stackmend.Finding {
	var all []stackmend.Finding
	for _, n := range s.Nova {
		all = append(all, n.judge(boots)...)
	}
	for _, p := range s.Proxies {
		if p.isGalera() {
			all = append(all, p.judgeIdle(s.recycle())...)
		}
		if p.Kind == "frontend" {
			continue
		}
		all = append(all, p.judgeChecks()...)
		if p.isGalera() {
			all = append(all, p.judgeGalera()...)
			continue
		}
		if p.Mode == "http" {
			all = append(all, p.judgeHTTP(boots)...)
		}
	}
	all = append(all, s.connections(boots)...)
	late := s.late()
	for _, g := range s.nodeConfs() {
		asked := slices.ContainsFunc(s.Nodes, func(n Node) bool { return n.Host == g.Host && n.Variables["wsrep_sync_wait"] != "" })
		all = append(all, g.judge(late && !asked)...)
	}
	for _, c := range s.Services {
		if s.severalWriters() && c.SyncWait != "" && !waitsForReads(c.SyncWait) {
			all = append(all, readAfterWrite("configuration of "+c.Host, "mysql_wsrep_sync_wait = "+c.SyncWait))
		}
	}
	return append(all, s.consoles()...)
}

// severalWriters goes by the configurations, and by who holds sessions now.
func (s *Snapshot) severalWriters() bool {
	return slices.ContainsFunc(s.Proxies, func(p Proxy) bool { return p.Kind != "frontend" && p.isGalera() && len(p.writers()) > 1 }) ||
		slices.ContainsFunc(s.Running, func(r Runtime) bool {
			return slices.ContainsFunc(s.running(r), func(f stackmend.Finding) bool { return f.Code == CodeSeveralWriters })
		})
}

// late reports whether a read may miss what was just written, unless the
// server that reads waits.
func (s *Snapshot) late() bool { return s.severalWriters() && !s.servicesWait() }

// servicesWait: each session of a service that was given waits by itself,
// whatever the server has for others.
func (s *Snapshot) servicesWait() bool {
	return len(s.Services) > 0 && !slices.ContainsFunc(s.Services, func(c ServiceConf) bool { return !waitsForReads(c.SyncWait) })
}

func readAfterWrite(subject, what string) stackmend.Finding {
	return warn(CodeReadAfterWrite, subject,
		"several nodes take writes and "+what+" does not cover reads: a row just written on another node may not be found",
		"mysql_wsrep_sync_wait = 1 in oslo.db's section of each service (SET GLOBAL misses pooled sessions), or one writer; every read then waits for what is on its way")
}

// nodeConfs are the configurations by host: of several files the later ones
// count, and each after the first answers one include. What a node says itself
// answers all.
func (s *Snapshot) nodeConfs() []GaleraConf {
	var all []GaleraConf
	for _, g := range s.Galera {
		if slices.ContainsFunc(s.Nodes, func(n Node) bool { return n.Host == g.Host }) {
			g.Includes = nil
		}
		i := slices.IndexFunc(all, func(o GaleraConf) bool { return o.Host == g.Host })
		if i < 0 {
			g.Variables = maps.Clone(g.Variables)
			all = append(all, g)
			continue
		}
		maps.Copy(all[i].Variables, g.Variables)
		left := all[i].Includes
		all[i].Includes = slices.Concat(left[min(1, len(left)):], g.Includes)
	}
	return all
}

func warn(code, subject, message, fix string) stackmend.Finding {
	return stackmend.Finding{Code: code, Status: stackmend.Warn, Subject: subject, Message: message, Fix: fix}
}

// judge compares how long a compute waits with how long volumes took.
func (n NovaConf) judge(boots []Boot) []stackmend.Finding {
	var longest time.Duration
	var who string
	for _, b := range boots {
		if took := b.waited(); took > longest {
			longest, who = took, b.Instance
		}
	}
	if longest <= n.Waits() && !(longest == n.Waits() && tooSlowOf(boots, who)) || n.Interval == 0 {
		return nil
	}
	need := int64((longest-1)/n.Interval) + 2 // one more than the intervals that were begun
	f := warn(CodeRetriesTooFew, "nova.conf of "+n.Host,
		fmt.Sprintf("nova looks %d times, %v apart, and gives up after %v; the volume of instance %s took %v or more", n.Retries+1, n.Interval, n.Waits(), who, longest),
		fmt.Sprintf("block_device_allocate_retries of at least %d; a boot that fails is then told as much later", need))
	f.Evidence = []stackmend.Evidence{{Source: "nova-compute", Value: fmt.Sprintf("%s: %v", who, longest)}}
	return []stackmend.Finding{f}
}

func tooSlowOf(boots []Boot, instance string) bool {
	return slices.ContainsFunc(boots, func(b Boot) bool { return b.Instance == instance && tooSlow.MatchString(b.Failure) })
}

// waited is how long nova waited at least for the volume of this instance, and
// how long it would have had to, where cinder-volume's log tells that.
func (b Boot) waited() time.Duration {
	m := tooSlow.FindStringSubmatch(b.Failure)
	if m == nil || inError.MatchString(b.Failure) { // no time would have sufficed
		return 0
	}
	n, _ := strconv.ParseInt(m[1], 10, 32)
	return max(time.Duration(n)*time.Second, b.took())
}

// isGalera: HAProxy does not say what its servers are.
func (p Proxy) isGalera() bool {
	name := strings.ToLower(p.Name)
	for _, word := range []string{"galera", "mysql", "mariadb"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	database := func(s Server) bool { return portOf(s.Address) == "3306" }
	return slices.Contains(p.Options, "mysql-check") || slices.Contains(p.Ports, "3306") || slices.ContainsFunc(p.Servers, database)
}

// writers are the servers that get sessions while all are up.
func (p Proxy) writers() []Server {
	return slices.DeleteFunc(slices.Clone(p.Servers), func(s Server) bool { return s.Backup || s.Disabled })
}

func (p Proxy) subject() string {
	return fmt.Sprintf("haproxy.cfg line %d: %s %s", p.Line, p.Kind, p.Name)
}

// judgeChecks judges what HAProxy does about a server that is dead or stuck. A
// proxy of tcp may be of anything else.
func (p Proxy) judgeChecks() []stackmend.Finding {
	var names []string
	for _, s := range p.Servers {
		if !s.Check && !s.Disabled {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 || len(p.Servers) < 2 || p.Mode != "http" && !p.isGalera() {
		return nil
	}
	fix := "check at each server, and option httpchk; a server is then left out a few checks after it is gone"
	if p.isGalera() {
		fix = "check at each server, with a check that asks wsrep_local_state (clustercheck): mysql-check takes a node for well that is not Synced"
	}
	return []stackmend.Finding{warn(CodeUnchecked, p.subject(), "HAProxy does not look whether "+strings.Join(names, ", ")+" answer: what is sent to one that is dead or stuck may be lost", fix)}
}

func (p Proxy) judgeGalera() []stackmend.Finding {
	var all []stackmend.Finding
	writers := p.writers()
	if len(writers) > 1 {
		all = append(all, warn(CodeSeveralWriters, p.subject(),
			fmt.Sprintf("%d Galera nodes take writes: a row may be missing on another node just after it was written, and SELECT FOR UPDATE does not hold across nodes", len(writers)),
			"one server, the others as backup with on-marked-down shutdown-sessions; it costs the load sharing of reads"))
	}
	for _, s := range writers {
		if len(writers) == 1 && len(p.Servers) > 1 && s.OnUp != "shutdown-backup-sessions" {
			all = append(all, warn(CodeSeveralWriters, p.subject(),
				"when "+s.Name+" comes back after a failure, new sessions go to it and old ones stay on the backup: two writers",
				"on-marked-up shutdown-backup-sessions at "+s.Name+"; it ends the sessions on the backup once"))
		}
	}
	return all
}

// judgeIdle judges the timeouts that cut idle sessions: HAProxy heeds that of
// clients where it binds, that of servers where it has them.
func (p Proxy) judgeIdle(recycle time.Duration) []stackmend.Finding {
	var all []stackmend.Finding
	for side, idle := range map[string]string{"client": "backend", "server": "frontend"} {
		if d, ok := p.Timeouts[side]; ok && d > 0 && d < recycle && p.Kind != idle {
			all = append(all, warn(CodeTimeoutTooShort, p.subject(),
				fmt.Sprintf("timeout %s %v cuts idle sessions that services keep %s", side, d, kept(recycle)),
				"more than connection_recycle_time of oslo.db, such as 90m for its default, or a connection_recycle_time below it; a dead peer is then noticed by checks and keepalive alone"))
		}
	}
	slices.SortFunc(all, func(a, b stackmend.Finding) int { return strings.Compare(a.Message, b.Message) })
	return all
}

func (p Proxy) judgeHTTP(boots []Boot) []stackmend.Finding {
	var all []stackmend.Finding
	if p.Balance == "source" && len(p.writers()) > 1 {
		all = append(all, warn(CodeBalanceSource, p.subject(),
			"all requests from one address go to one server; if it is stuck, every volume of that compute is lost",
			"balance leastconn or roundrobin; it costs the stickiness, which an API of OpenStack does not need"))
	}
	if len(p.RetryOn) > 0 && p.retriesPOST() {
		all = append(all, warn(CodeRetryOn, p.subject(),
			"retry-on "+strings.Join(p.RetryOn, " ")+" also sends a POST again, and cinder then creates two volumes",
			"http-request disable-l7-retry if METH_POST; a POST that meets a dying server then fails, and is its caller's to try again"))
	}
	all = append(all, p.judgeRetries()...)
	return append(all, p.judgeTimeout(boots)...)
}

// judgeTimeout judges timeout server by the requests that it ended, and by how
// long cinder needed for those that it then carried out all the same.
func (p Proxy) judgeTimeout(boots []Boot) []stackmend.Finding {
	timeouts, needed := 0, time.Duration(0)
	for _, b := range boots {
		if b.HAProxy == nil || !b.HAProxy.timedOut() || b.HAProxy.Backend != p.Name {
			continue
		}
		timeouts++
		if b.Cinder != nil && !b.Cinder.Accepted.IsZero() {
			needed = max(needed, b.Cinder.Accepted.Sub(b.HAProxy.At))
		}
	}
	d := p.Timeouts["server"]
	if timeouts == 0 || d <= 0 {
		return nil
	}
	fix := "longer than cinder-api needs under a batch"
	if needed > d {
		fix = fmt.Sprintf("more than %v, in which cinder carried out the slowest of them", needed.Round(time.Millisecond))
	}
	return []stackmend.Finding{warn(CodeTimeoutTooShort, p.subject(),
		fmt.Sprintf("timeout server %v ended %d requests for volumes, which cinder may carry out all the same", d, timeouts),
		fix+"; a stuck server then holds its requests that long")}
}

// judgeRetries: a request that finds its server dead is tried there again, and
// lost, though another is well: until the checks have seen it.
func (p Proxy) judgeRetries() []stackmend.Finding {
	if len(p.writers()) < 2 || p.Retries > 0 && slices.Contains(p.Options, "redispatch") {
		return nil
	}
	what := "without option redispatch"
	if p.Retries == 0 {
		what = "with retries 0"
	}
	return []stackmend.Finding{warn(CodeNoRedispatch, p.subject(), what+" a request whose server refuses the connection ends in a 503, though another server would take it, until the checks have seen that it is dead",
		"option redispatch, and retries of at least 1: the last try goes to another server; only connections are tried again, so that no POST is sent twice; a request takes a second longer for each try")}
}

// retriesPOST: what is tried again after the request was sent, without an
// exception that can cover a POST.
func (p Proxy) retriesPOST() bool {
	sent := slices.ContainsFunc(p.RetryOn, func(w string) bool { return w != "none" && w != "conn-failure" })
	return sent && !slices.ContainsFunc(p.NoRetry, func(c string) bool { return c == "" || strings.Contains(c, "POST") || strings.Contains(c, "!") })
}

func (g GaleraConf) judge(late bool) []stackmend.Finding {
	var all []stackmend.Finding
	if len(g.Includes) > 0 {
		all = append(all, stackmend.Finding{Code: CodeUnseen, Status: stackmend.Unknown, Subject: "galera.cnf of " + g.Host,
			Message: "it includes files that were not read: " + strings.Join(g.Includes, ", "), Fix: "give them after it, as more files of " + g.Host + ", or ask the node what is in effect"})
	}
	if v, here := g.Variables["wsrep_sync_wait"]; late && !waitsForReads(v) && (here || len(g.Includes) == 0) {
		all = append(all, readAfterWrite("galera.cnf of "+g.Host, "wsrep_sync_wait"))
	}
	if v, ok := g.Variables["innodb_flush_log_at_trx_commit"]; ok && v != "1" {
		all = append(all, durability("galera.cnf of "+g.Host, v))
	}
	return all
}

func durability(subject, v string) stackmend.Finding {
	return warn(CodeDurabilityTraded, subject,
		"innodb_flush_log_at_trx_commit = "+v+": a node that crashes may lose about a second of commits, all nodes at once lose them for good; rows arrive sooner on other nodes and still not at once",
		"1, with one writer or wsrep_sync_wait for the reads; a commit then waits for the disk")
}

// waitsForReads: bit 1 of wsrep_sync_wait.
func waitsForReads(v string) bool {
	n, err := strconv.ParseUint(v, 10, 8)
	return err == nil && n&1 != 0
}
