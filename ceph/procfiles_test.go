package ceph

import (
	"strings"
	"testing"
	"time"
)

// TestUnits: `systemctl show` as systemd 247 writes it, also for the units of
// cephadm's containers. Other units are passed over.
func TestUnits(t *testing.T) {
	got, err := parseUnits(strings.NewReader(`Id=ceph-osd@3.service
NRestarts=4
Result=start-limit-hit
ExecMainStatus=1
StartLimitBurst=3
StartLimitIntervalUSec=30min

Id=ceph-8a1b2c3d-0000-11ec-9621-0242ac130002@osd.12.service
NRestarts=0
Result=success
ExecMainStatus=0
StartLimitBurst=5
StartLimitIntervalUSec=1min 40s

Id=ceph-mon@a.service
NRestarts=0
`))
	want := []Unit{{3, 4, "start-limit-hit", "1", 3, 30 * time.Minute}, {12, 0, "success", "0", 5, 100 * time.Second}}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v, %v", got, err)
	}
}
