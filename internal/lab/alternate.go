package lab

import (
	"slices"
	"testing"
	"time"
)

// Alternate runs the functions in turns, so that a noisy machine is noisy for
// all of them, and returns the median time of each.
func Alternate(b *testing.B, fs ...func()) []time.Duration {
	b.Helper()
	times := make([][]time.Duration, len(fs))
	for _, f := range fs {
		f() // warm
	}
	for b.Loop() {
		for i, f := range fs {
			start := time.Now()
			f()
			times[i] = append(times[i], time.Since(start))
		}
	}
	out := make([]time.Duration, len(fs))
	for i, ts := range times {
		slices.Sort(ts)
		out[i] = ts[len(ts)/2]
	}
	return out
}
