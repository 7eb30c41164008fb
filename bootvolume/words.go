package bootvolume

import (
	"regexp"
	"strconv"
)

// Words of nova's exceptions: exception.py, VolumeNotCreated and
// VolumeNotFound; keystoneauth1's ConnectFailure; cinder's quota messages.
var (
	tooSlow      = regexp.MustCompile(`did not finish being created even after we waited (\d+) seconds or (\d+) attempts`)
	inError      = regexp.MustCompile(`did not finish being created even after we waited \d+ seconds or \d+ attempts\. And its status is error`)
	notFound     = regexp.MustCompile(`Volume \S+ could not be found`)
	deadlock     = regexp.MustCompile(`DBDeadlock|Deadlock found|\b1213\b`)
	notConnected = regexp.MustCompile(`Unable to establish connection|ConnectFailure|Connection refused`)
	overQuota    = regexp.MustCompile(`exceeding volume related resource quota|VolumeSizeExceedsAvailableQuota|VolumeLimitExceeded|exceeds allowed .*quota|Maximum number of volumes allowed`)
	waitedFor    = regexp.MustCompile(`Volume ([0-9a-f-]{36}) (?:did not finish|could not be found)`)
	statusOf     = regexp.MustCompile(`\(HTTP ([1-5]\d\d)\)`)
)

// tooLarge is what cinder answers with where a quota is exceeded.
const tooLarge = 413

// answer is the status that nova was answered its POST with, as far as its
// words tell; 0: they do not.
func (b *Boot) answer() int {
	switch {
	case b.Failure == "" && b.Built, tooSlow.MatchString(b.Failure), notFound.MatchString(b.Failure):
		return 202
	case overQuota.MatchString(b.Failure):
		return tooLarge
	}
	if m := statusOf.FindStringSubmatch(b.Failure); m != nil {
		status, _ := strconv.Atoi(m[1])
		return status
	}
	return 0
}

// volume is the one that nova's words name; "": none.
func (b *Boot) volume() string {
	if m := waitedFor.FindStringSubmatch(b.Failure); m != nil {
		return m[1]
	}
	return ""
}
