package bpdu

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
)

// BenchmarkThousandTaps puts the filters of a thousand taps in place in one
// transaction, beside nft that loads what it lists of them.
func BenchmarkThousandTaps(b *testing.B) {
	lab.Need(b, "nft")
	n := newNamespace(b)
	var taps []string
	for i := range 1000 {
		taps = append(taps, fmt.Sprintf("tap%08x", i))
		n.tap(taps[i])
	}
	n.protect(taps...)
	file := filepath.Join(b.TempDir(), "rules")
	n.must(os.WriteFile(file, []byte(n.Run("nft", "list", "table", "netdev", TableName)), 0o600))
	n.protect()
	t := lab.Alternate(b, func() { n.Run("nft", "-f", file); n.protect() }, func() { n.protect(taps...); n.protect() })
	b.ReportMetric(float64(t[0].Milliseconds()), "ms/nft")
	b.ReportMetric(float64(t[1].Milliseconds()), "ms/filter")
	b.ReportMetric(float64(t[1])/float64(t[0]), "x-nft")
	b.ReportMetric(0, "ns/op")
}
