// Package coredumps is a package of one's own, small enough to be read in one
// go: docs/own-package.md walks through it. It keeps core dumps from filling a
// host's filesystem by moving old ones into a folder beside them.
//
// Call [Observe] with the folder of systemd-coredump, then [Check] for what is
// wrong and [Plan] for what would be moved; give the plan to stackmend.Run
// together with the Applier of [NewApplier].
//
// # Safety
//
// A dump that is still written is never touched, and none is deleted: each is
// moved within its filesystem, without replacing anything, and can be moved
// back. Links are not followed.
//
// # Privileges
//
// Reading the folder, and for the Applier writing to it and to Old in it.
//
// # Compatibility
//
// Names as systemd 252 gives them (src/coredump/coredump.c): "core.*", and
// ".#core.*" while a dump is written.
package coredumps
