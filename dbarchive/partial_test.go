package dbarchive

import (
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// TestSnapshotInPart: of a cell without a schema nothing is known, and nothing
// is planned.
func TestSnapshotInPart(t *testing.T) {
	s := &Snapshot{Taken: time.Now(), Selection: Selection{Before: cutoff}, Cells: []CellState{{Name: "cell1", Selected: true,
		Instances: Instances{Total: 2, Deleted: 1, NullDeletedAt: 1}, Kept: []Kept{{Reason: LiveChild, Trees: 1, Examples: []string{"x"}}},
		Ranges: []Range{{First: 1, Last: 2, Instances: 1}}}}}
	if r := Check(s, Thresholds{}); r.Status != stackmend.Unknown {
		t.Errorf("%v: %+v", r.Status, r.Findings)
	}
	if p := Plan(s, time.Hour); len(p.Refusals) == 0 || len(p.Steps) > 0 {
		t.Errorf("%d steps, refusals %q", len(p.Steps), p.Refusals)
	}
}
