package ceph

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
)

// A Version is a release of Ceph such as 16.2.15. The zero value is unknown.
type Version struct{ Major, Minor, Patch int }

// The first versions of the releases that behave differently here.
const (
	luminous = 12
	mimic    = 13
	nautilus = 14
	octopus  = 15
	pacific  = 16
	quincy   = 17
)

var versionText = regexp.MustCompile(`(?:^|ceph version )v?(\d{1,3})\.(\d{1,3})\.(\d{1,5})`)

// ParseVersion reads "16.2.15" and "ceph version 16.2.15 (618f44..) pacific (stable)".
func ParseVersion(s string) (Version, error) {
	m := versionText.FindStringSubmatch(s)
	if m == nil {
		return Version{}, fmt.Errorf("ceph: %.80q is not a version", s)
	}
	var n [3]int
	for i := range n {
		var err error
		if n[i], err = strconv.Atoi(m[i+1]); err != nil {
			return Version{}, err
		}
	}
	return Version{n[0], n[1], n[2]}, nil
}

func (v Version) String() string {
	if v == (Version{}) {
		return "unknown"
	}
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
}

// Compare orders versions.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch))
}

// known reports whether the version was seen.
func (v Version) known() bool { return v != (Version{}) }

// PGLogLimits are what bounds the log of a placement group.
type PGLogLimits struct {
	Min, Max, Dups int
	PerOSD         int // entries of all PGs of an OSD; 0: that release has no such target
}

// pgLogDefaults are the defaults of a release (src/common/options.cc at
// v12.2.13, v13.2.10, v14.2.22, v15.2.17; osd.yaml.in at v17.2.0).
func pgLogDefaults(v Version) PGLogLimits {
	switch {
	case !v.known():
		return PGLogLimits{}
	case v.Major <= luminous:
		return PGLogLimits{Min: 1500, Max: 10000, Dups: 3000}
	case v.Major <= nautilus:
		return PGLogLimits{Min: 3000, Max: 3000, Dups: 3000}
	}
	return PGLogLimits{Min: 250, Max: 10000, Dups: 3000, PerOSD: 300000}
}

// hardlimitPossible reports whether this version knows the pglog_hardlimit flag.
func hardlimitPossible(v Version) bool {
	switch {
	case v.Major == luminous:
		return v.Compare(Version{12, 2, 11}) >= 0
	case v.Major == mimic:
		return v.Compare(Version{13, 2, 5}) >= 0
	}
	return v.Major > mimic
}

// dupsOnline reports whether this version trims a pile of dups by itself
// (tracker 53729).
func dupsOnline(v Version) bool {
	switch {
	case v.Major == pacific:
		return v.Compare(Version{16, 2, 11}) >= 0
	case v.Major == quincy:
		return v.Compare(Version{17, 2, 4}) >= 0
	}
	return v.Major > quincy
}

// dupsOffline reports whether this version's ceph-objectstore-tool has
// trim-pg-log-dups.
func dupsOffline(v Version) bool {
	if v.Major == octopus {
		return v.Compare(Version{15, 2, 17}) >= 0
	}
	return dupsOnline(v)
}

// miscounts reports whether this version has tracker 46027, by which buffers
// move to the pool buffer_anon. Mended by pull requests 39651 (14.2.17), 38429
// (15.2.9) and 35584 (16.2.0), as the release notes say.
func miscounts(v Version) bool {
	switch {
	case !v.known():
		return false
	case v.Major == nautilus:
		return v.Compare(Version{14, 2, 17}) < 0
	case v.Major == octopus:
		return v.Compare(Version{15, 2, 9}) < 0
	}
	return v.Major < pacific
}

// appendBuffers reports whether this version's bufferlists each keep a buffer
// to append to: until pull request 25077, in 14.2.0.
func appendBuffers(v Version) bool { return v.known() && v.Major < nautilus }
