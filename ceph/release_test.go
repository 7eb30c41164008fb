package ceph

import (
	"strings"
	"testing"
)

// TestKnownLeaks: which bugs a version has, as the release notes tell.
func TestKnownLeaks(t *testing.T) {
	for version, want := range map[Version]string{
		{}: "", {12, 2, 13}: "46027 25077", {13, 2, 10}: "46027 25077", {14, 2, 0}: "46027", {14, 2, 16}: "46027", {14, 2, 17}: "",
		{15, 2, 8}: "46027", {15, 2, 9}: "", {16, 2, 0}: "", {19, 2, 0}: "",
	} {
		var got []string
		for _, e := range knownLeaks(OSD{Version: version}) {
			for _, number := range []string{"46027", "25077"} {
				if strings.Contains(e.Value, number) {
					got = append(got, number)
				}
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v: %v, want %s", version, got, want)
		}
	}
}

func TestDiskModel(t *testing.T) {
	for ids, want := range map[string]string{
		"sdb=SEAGATE_ST4000NM0035_ZC1ABCDE": "SEAGATE_ST4000NM0035", "nvme0n1=INTEL_SSDPE2KX040T8_PHLJ1,sda=X_Y_Z": "INTEL_SSDPE2KX040T8",
		"": "", "vda=": "", "sda=serial": "", "sda": "",
	} {
		if got := diskModel(ids); got != want {
			t.Errorf("%q: %q, want %q", ids, got, want)
		}
	}
}
