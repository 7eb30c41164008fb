package bootvolume

// The codes of findings about an instance: where its request for a volume
// ended.
const (
	// CodeNeverSent: neither HAProxy nor cinder-api saw a request.
	CodeNeverSent = "never-sent"
	// CodeLostBeforeHAProxy: nova could not connect, and HAProxy saw nothing.
	CodeLostBeforeHAProxy = "lost-before-haproxy"
	// CodeHAProxyTimeout: HAProxy gave up waiting for cinder-api.
	CodeHAProxyTimeout = "haproxy-timeout"
	// CodeHAProxyRefused: HAProxy had no server that took the request.
	CodeHAProxyRefused = "haproxy-refused"
	// CodeNotLogged: HAProxy passed it on, and no cinder-api logged it.
	CodeNotLogged = "not-logged"
	// CodeOverQuota: cinder refused it by quota.
	CodeOverQuota = "over-quota"
	// CodeIDNotFound: the volume was not found just after it was created.
	CodeIDNotFound = "id-not-found"
	// CodeDatabaseConflict: cinder-api failed, for another node of the
	// database was quicker every time (certification, a deadlock). One that was
	// tried again and went through is told by CodeCertification.
	CodeDatabaseConflict = "database-conflict"
	// CodeAPIFailed: cinder-api answered with another failure of its own.
	CodeAPIFailed = "cinder-api-failed"
	// CodeVolumeFailed: cinder gave the volume up, at its scheduler or its
	// volume service.
	CodeVolumeFailed = "volume-failed"
	// CodeTooSlow: nova gave up waiting for a volume in the making.
	CodeTooSlow = "too-slow"
	// CodeUndetermined: the logs at hand do not tell.
	CodeUndetermined = "undetermined"
	// CodeOrphanVolume: created after its caller had gone.
	CodeOrphanVolume = "orphan-volume"
)

// CodeClocksDiffer: the clock of a log is not that of the others.
const CodeClocksDiffer = "clocks-differ"

// The codes of findings about configurations.
const (
	// CodeRetriesTooFew: nova waits shorter than volumes took.
	CodeRetriesTooFew = "retries-too-few"
	// CodeBalanceSource: all of a client's requests go to one server.
	CodeBalanceSource = "balance-source"
	// CodeUnchecked: requests go on to servers that are dead or stuck.
	CodeUnchecked = "servers-unchecked"
	// CodeNoRedispatch: a request for a dead server is lost, though others are well.
	CodeNoRedispatch = "no-redispatch"
	// CodeRetryOn: HAProxy may send a POST twice.
	CodeRetryOn = "retry-on"
	// CodeSeveralWriters: several Galera nodes take writes, or may come to.
	CodeSeveralWriters = "several-writers"
	// CodeReadAfterWrite: a node may answer without a row written on another.
	CodeReadAfterWrite = "read-after-write"
	// CodeDurabilityTraded: commits are not on disk when they are confirmed.
	CodeDurabilityTraded = "durability-traded"
	// CodeTimeoutTooShort: HAProxy or MariaDB cuts what is still wanted, or HAProxy
	// gives up what waits in its queue.
	CodeTimeoutTooShort = "timeout-too-short"
	// CodeConnectionsTooFew: HAProxy or Galera lets fewer through at once than a
	// batch, or the pools of the services, may need.
	CodeConnectionsTooFew = "connections-too-few"
	// CodeConsoleauth: several nova-consoleauth that do not share their tokens.
	CodeConsoleauth = "consoleauth-active-active"
	// CodeCheckerWarning: a program's own checker warns of files that it accepts.
	CodeCheckerWarning = "checker-warning"
	// CodeUnseen: something that would matter was not looked at.
	CodeUnseen = "unseen"
)

// The codes of findings about what runs now.
const (
	// CodeServersDown: a proxy has servers that take no requests.
	CodeServersDown = "servers-down"
	// CodeConnectionsFull: HAProxy holds, or held, as many connections as it may.
	CodeConnectionsFull = "connections-full"
	// CodeNotSynced: a node of Galera is not a whole part of the cluster.
	CodeNotSynced = "not-synced"
	// CodeFlowControl: a node that applies late makes all writers wait.
	CodeFlowControl = "flow-control"
	// CodeCertification: transactions were aborted because another node was
	// quicker, as nodes or cinder-api tell.
	CodeCertification = "certification-conflicts"
	// CodeLiveDiffers: what is in effect is not what the file says.
	CodeLiveDiffers = "live-differs"
	// CodeProbeQuiet: the probe saw no late row, which proves nothing.
	CodeProbeQuiet = "probe-quiet"
)
