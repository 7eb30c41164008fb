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
		{Instance: "b", Failure: "gone", Cinder: &Create{}},
	}
	if err := WriteTable(&b, boots); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"c[2J01", "00:00:00.000  not seen", "X posted, not accepted", "X failed", "runs"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
