// Package watchdog restarts an OSD gracefully before the kernel kills it for
// its memory: early enough, never two of them at once, and not when it does
// not help. It is made from an incident in which OSDs grew until the OOM killer
// took them, the kill corrupted the store of three, and every kill made the
// storm worse.
//
// Start with a [Watch], which does all of it:
//
//	sampler, err := watchdog.NewSampler(watchdog.SamplerOptions{})
//	claims, err := watchdog.NewClaims(cluster, host, watchdog.ClaimOptions{})
//	applier, err := watchdog.NewApplier(watchdog.Site{Cluster: cluster, Supervisor: supervisor.Systemd{}, Claims: claims})
//	w := &watchdog.Watch{Sampler: sampler, Applier: applier} // its zero Run changes nothing
//	err = w.Loop(ctx)
//
// Its parts: a [Sampler] reads the memory of this host's OSDs, a [Tracker] says
// how long it is until each meets a limit, [Judge] what is to be done,
// [Schedule] whose turn it is in the whole cluster, [Check] tells it as
// findings, [RestartPlan] and [ReleasePlan] say what would be changed, and an
// [Applier] does it.
//
// # Time to the limit
//
// Not how full an OSD is but how long it has left decides. Growth counts when it
// lasts: over three seconds or more, in each third of them, so that bursts,
// steps and most teeth of a saw do not trip it. Every limit that holds an OSD
// is looked at: its control group and those above it, of version 1 and 2, and
// the host's MemAvailable, with the growth of all OSDs under that limit summed
// up. Page cache does not count, nor does swap count as room. Under a limit
// that several share, the one that grows fastest goes first; where most of the
// growth is not the OSDs' nothing is restarted.
//
// An OSD is due when the time that its stops were measured to take, and a
// margin, no longer fit. Because one OSD has to wait until the other is back,
// marks are staggered: the first of k goes at a headroom of its stop and k - 1
// cycles ([Schedule]). TestSimulation plays thousands of traces against fixed
// thresholds; `go test -run TestSimulation -v ./ceph/watchdog` prints the table.
//
// # Safety
//
// The stop is SIGTERM, never SIGKILL, to the very process that was seen, by a
// descriptor of it; nothing is started for it and no supervisor's patience
// ends it ([Site.Supervised] goes through the supervisor instead). It is
// preceded by the claim, which is read back last, and by what the cluster says:
// flags, manager, margin, ok-to-stop, OSDs that are down or were restarted a
// moment ago anywhere, how often the supervisor starts it and how often it bears
// being marked down. No answer is no. An OSD whose stop was begun is brought
// back whatever else fails, and a restart after which the memory is back at
// once is not repeated for [Policy.Hold]; what helps instead is planned by
// [Watch].OnUseless (examples/ceph-watchdog: the offline trim of its PG logs,
// for review).
//
// That the process is gone proves no clean stop. What its supervisor says of its
// exit, and crash reports since, are told beside osd_fast_shutdown as the daemon
// had it ([Ending]): with it (the default of 16.2.15) it exits without
// unmounting its store, and the replay of the store's log at the next start is
// no fault.
//
// When the cluster cannot afford the restart and the kill is near,
// [Policy.LastResort] decides. Its zero value leaves it to the kernel, and the
// refusal says what that trades. Flags that an operator set, monitors that do
// not answer and a claim that another has are never overridden.
//
// noout is not set: a restart takes seconds, and an OSD that does not come back
// should be replaced.
//
// # Claims
//
// [Claims] stand in the monitors' config-key store. What they do not exclude: a
// watchdog that is frozen between its last look at its claim and SIGTERM, for
// longer than half a lease; ok-to-stop is then the second fence. A holder that
// died with its OSD stopped leaves it down until its supervisor or the next
// watchdog of that host starts it; the others see it down and refuse.
//
// # Privileges
//
// Root, or the user of the OSDs. In the cluster: `mon 'allow r, allow command
// "config-key set", allow command "config-key rm", allow command "config-key
// dump"' mgr 'allow r'`, which lets it read crash reports too. The OSDs are
// asked by their admin sockets ([ceph.Local]).
//
// # Compatibility
//
// Sampling and stopping need Linux; elsewhere they are [errors.ErrUnsupported].
// What an old kernel lacks is told by [Sampler.Lacks] and lowers the confidence.
// Tested against 16.2.15 with limits of control groups of version 1; version 2
// is read from files alone, systemd, docker and podman are not tested with real
// ones (see [github.com/stackmend/stackmend/ceph/supervisor]), and a host that
// is out of memory as a whole was not provoked. Debian's OSD has no tcmalloc,
// so that `heap release` was only seen to be refused.
package watchdog
