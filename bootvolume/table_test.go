package bootvolume

import (
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	var b strings.Builder
	boots := []Boot{
		{Instance: "a", Host: "c\x1b[2J01", Begun: time.Unix(0, 0), Built: true},
		{Instance: "b", Failure: "gone", Cinder: &Create{Posted: time.Unix(0, 0)}},
		{Instance: "c", Failure: "gone", Ended: time.Unix(1, 0), Cinder: &Create{Making: time.Unix(0, 0), Made: time.Unix(2, 0)}},
		{Instance: "d", Failure: "gone", Cinder: &Create{Unscheduled: "No valid backend was found"}},
	}
	if err := WriteTable(&b, boots); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"c[2J01", "00:00:00.000  not seen", "X posted, not accepted", "X failed", "runs", "X made too late", "X no backend"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
