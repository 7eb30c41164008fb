package bootvolume

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func tableOf(t *testing.T, boots []Boot) string {
	t.Helper()
	var b strings.Builder
	if err := WriteTable(&b, boots); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTable(t *testing.T) {
	got := tableOf(t, []Boot{
		{Instance: "a", Host: "c\x1b[2J01", Begun: time.Unix(0, 0), Built: true},
		{Instance: "b", Begun: time.Unix(1, 0), Failure: "gone", Cinder: &Create{Posted: time.Unix(0, 0)}},
		{Instance: "c", Begun: time.Unix(2, 0), Failure: "gone", Ended: time.Unix(5, 0), Cinder: &Create{Making: time.Unix(0, 0), Made: time.Unix(6, 0)}},
		{Instance: "d", Begun: time.Unix(3600, 0), Failure: "gone", Cinder: &Create{Unscheduled: "No valid backend was found"}},
	})
	for _, want := range []string{"3 instances, from 1970-01-01 00:00:00Z to 1970-01-01 00:00:02Z", "1 instances, from 1970-01-01 01:00:00Z", "c[2J01",
		"nova asked     00:00:00.000  00:00:01.000            00:00:02.000\n", "X posted, not accepted", "X failed", "runs", "X made too late", "X no backend"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// Of many instances those are told that are lost.
func TestTableOfMany(t *testing.T) {
	var boots []Boot
	for i := range 1000 {
		b := Boot{Instance: fmt.Sprintf("%08d-1", i), Begun: time.Unix(int64(i), 0), Built: i%100 != 0}
		if !b.Built {
			b.Failure = "gone"
		}
		boots = append(boots, b)
	}
	got := tableOf(t, boots)
	if !strings.Contains(got, "990 that run are left out") || strings.Contains(got, "runs") || !strings.Contains(got, "00000900") || strings.Count(got, "\n") > 20 {
		t.Error(got)
	}
}

// The recorded batch, as people see it.
func TestTableOfServices(t *testing.T) {
	got := tableOf(t, Follow(&recorded(t, "services").Logs))
	t.Log("\n" + got)
	for _, want := range []string{"459931fe", "X 503 <NOSRV> SC-- 0s", "X over quota", "X no backend", "X made too late"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
