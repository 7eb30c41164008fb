// Package stackmend holds the nouns and the one verb that all checks and
// guarded remediations of this module share. The checks themselves live in the
// packages below it, one for each kind of incident: imagecache, mtu, dbarchive
// and the others that the README lists. They all work the same way:
//
//	Observe   reads the world                              -> the package's *Snapshot
//	Check     decides from a Snapshot what is wrong        -> stackmend.Result
//	Plan      decides from a Snapshot what would be changed -> *stackmend.Plan
//	Run       asks guards, rechecks, does, verifies        -> stackmend.Result
//
// Start with the package of your incident: call its Observe and its Check, and
// look at the [Result]. If it has a Plan function, look at the [Plan], then hand it to
// [Run] together with that package's Applier. The zero [Options] are a dry run:
//
//	result, err := stackmend.Run(ctx, plan, applier, stackmend.Options{})
//
// and the same call changes something once it is told to:
//
//	result, err = stackmend.Run(ctx, plan, applier, stackmend.Options{
//		Mode:    stackmend.Apply,
//		PlanID:  reviewed,                        // the ID that a person looked at
//		Journal: journal,                         // to resume or revert after a crash
//		Lock:    stackmend.FileLock("/run/lock/stackmend-imagecache"),
//		Guards:  []stackmend.Guard{stackmend.MaxSteps(10), stackmend.KillSwitch("/etc/stackmend/stop")},
//	})
//
// # What can be relied on
//
// An error means that something could not be found out or could not be done.
// [Fail] means that it was found out and is bad. Not knowing is [Unknown],
// which ranks between Warn and Fail and is never health.
//
// Zero values do nothing: a zero [Mode] is a dry run, a zero [Verdict] denies,
// a zero [Status] is Unknown, a [Plan] without an expiry is never applied.
//
// A step is [Done] only if the Applier's Verify looked and found it in effect.
// What cannot be known is [Uncertain], never failed or done. A panic in a
// guard denies; a panic in an Applier makes its step uncertain; neither ends
// the process.
//
// A [Journal] holds the whole plan before the first step, the intent before
// each step and its outcome after it, each on disk before the run goes on. A
// run that was killed is resumed by running its journal's plan again, and its
// open groups are undone by Mode [Revert].
//
// # Concurrency
//
// Run may be called from several goroutines with different journals. Within a
// run guards and OnEvent are called one at a time; the Applier's methods may be
// called side by side if Options.Parallel is more than one. Plan and Result are
// plain data and must not be changed while a run uses them.
//
// # JSON
//
// Plan and Result have a JSON form that is a contract for programs in other
// languages: docs/json.md in the repository, pinned by tests.
package stackmend
