package bootvolume

import (
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// batch reads the recorded batch.
func batch(t *testing.T) *Snapshot {
	t.Helper()
	s := &Snapshot{Subject: "batch", Taken: now}
	for file, source := range map[string]Source{"nova-compute-c01": Compute, "nova-compute-c02": Compute, "nova-compute-c03": Compute,
		"cinder-api-1": API, "cinder-api-2": API, "haproxy": HAProxy} {
		l := Log{Source: source, Host: file, Now: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)}
		if err := s.Logs.ReadFiles(t.Context(), os.DirFS("testdata/batch"), file+".log", l); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// A frozen backend under balance source loses what is hashed to it; a slow one
// under a short timeout loses another; a late node answers 404.
func TestVerdictsOfABatch(t *testing.T) {
	r := Check(batch(t))
	got, orphans := map[string]string{}, 0
	for _, f := range r.Findings {
		if id, ok := strings.CutPrefix(f.Subject, "instance "); ok {
			got[id[:8]] = f.Code
			if f.Confidence != stackmend.High || len(f.Evidence) < 2 {
				t.Errorf("%+v", f)
			}
		}
		if f.Code == CodeOrphanVolume {
			orphans++
		}
	}
	want := map[string]string{"d24a04a4": CodeHAProxyTimeout, "d6115f52": CodeHAProxyTimeout, "d169109b": CodeHAProxyTimeout, "e6c0685e": CodeIDNotFound}
	if !maps.Equal(got, want) || orphans == 0 {
		t.Errorf("%v, %d orphans: %+v", got, orphans, r.Findings)
	}
	if n := len(Follow(&batch(t).Logs)); n != 8 {
		t.Errorf("%d boots", n)
	}
}

// The timeout that ended the batch's requests is named, with the time that
// cinder needed for them.
func TestTimeoutOfABatch(t *testing.T) {
	s := batch(t)
	var err error
	s.Proxies, err = ReadHAProxy(strings.NewReader("defaults\n mode http\n option redispatch\n timeout connect 1s\nlisten cinder_api\n bind :8776\n timeout server 10s\n balance source\n server cinder-api-1 h:1 check\n server cinder-api-2 h:2 check\n"))
	if err != nil {
		t.Fatal(err)
	}
	var fixes []string
	for _, f := range Check(s).Findings {
		if f.Code == CodeTimeoutTooShort || f.Code == CodeBalanceSource {
			fixes = append(fixes, f.Code+": "+f.Fix)
		}
	}
	t.Logf("%q", fixes)
	if len(fixes) != 2 || !strings.HasPrefix(fixes[0], CodeBalanceSource) || !strings.Contains(fixes[1], "more than 1") && !strings.Contains(fixes[1], "more than 2") {
		t.Errorf("%q", fixes)
	}
}
