// Package logtail reads logs as they are found on the hosts of a cloud: in
// rotated sets, compressed, with lines that are cut, giant, or full of the NUL
// bytes that a crash leaves behind, with time stamps that lack the year or the
// zone, from clocks that say themselves that they are not to be trusted.
//
// [New] reads any io.Reader, [Open] a log with all of its rotated files, oldest
// first, and [Follow] a log that is being written, over its rotations. All
// three return a [Reader]:
//
//	r, err := logtail.Open(ctx, os.DirFS("/var/log"), "switches.log", logtail.Options{})
//	if err != nil {
//		return err
//	}
//	defer r.Close()
//	clock := logtail.Clock{Now: time.Now()}
//	for line := range r.Lines() {
//		h, ok := clock.Header(line.Text)
//		...
//	}
//	return r.Err()
//
// Memory is bounded by Options.MaxLine, whatever the log holds: a longer line
// is cut, and its Line says by how many bytes.
//
// A reader that looks for a few words sets Options.Match: lines without them
// are counted and skipped as whole blocks, at a speed close to that of grep.
//
// # Time
//
// A [Clock] reads the stamps of RFC 3164, RFC 5424 and ISO 8601, oslo.log,
// Python, MariaDB, libvirt, Ceph, HAProxy and the switches. Each [Stamp] says
// with a [Doubt] what it does not rest on: a year or a zone that had to be
// assumed, a clock marked as not set by Cisco's "*" or ".", a time that runs
// backwards.
//
// # Concurrency
//
// A Reader and a Clock belong to one goroutine.
package logtail
