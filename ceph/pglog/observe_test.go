package pglog_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/ceph/pglog"
)

// A selection that is not met tells what there is; none is not all.
func TestSelection(t *testing.T) {
	f := newFleet(t, func(int) time.Duration { return 0 })
	for want, o := range map[string]pglog.Options{
		"[12 99] are not in the map, which has [0 1 2": {OSDs: []int{99, 3, 12, 99}},
		`"stor1" has no OSDs; there are ["host0"`:      {Host: "stor1"},
		"no OSDs are selected":                         {},
	} {
		if s, err := pglog.Observe(ctx(t), f.config(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, %+v; want %q", o, err, s, want)
		}
	}
}
