package ceph

import (
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
)

// TestOSDLog: each sign in the words of the sources at v16.2.15, what it is
// taken for, and that what is ordinary is none.
func TestOSDLog(t *testing.T) {
	const head = "2026-11-22T08:21:00.262+0000 7f0c5a3d1700 -1 "
	for text, want := range map[string]struct{ code, words string }{
		"rocksdb: [db_impl/db_impl_compaction_flush.cc:2808] Waiting after background compaction error: Corruption: block checksum mismatch: stored = 0xf, computed = 0x1  in db/002182.sst offset 1 size 4": {CodeRocksDB, "read again before you redeploy"},
		"bluestore(/var/lib/ceph/osd/ceph-3) _verify_csum bad crc32c/0x1000 checksum at blob offset 0x0, got 0x6706be76, expected 0x3bc2f, device location [0x0~1000]":                                       {CodeRocksDB, "tracker 22464"},
		"rocksdb: Corruption: Bad table magic number: expected 9863518390377041911, found 0 in db/000123.sst":                                                                                                {CodeRocksDB, "only when its PGs are whole elsewhere"},
		"osd.3 pg_epoch: 5 num of dups exceeded 6000. You can be hit by THE DUPS BUG":                                                                                                                        {CodePGLogDups, "trim-pg-log-dups"},
		"osd.3 123 map e123 marked down 6 > osd_max_markdown_count 5 in last 600.000000 seconds, shutting":                                                                                                   {CodeFlapping, "neighbours do not hear it"},
		"heartbeat_map is_healthy 'OSD::osd_op_tp thread 0x7f0c3' had suicide timed out after 150":                                                                                                           {CodeFlapping, "a longer timeout hides it"},
		"osd.3 123 tick checking mon for new map":                                 {},
		"rocksdb: [db/db_impl/db_impl.cc] compaction finished without corruption": {},
	} {
		log, err := ReadOSDLog("osd.3.log", strings.NewReader(head+"ordinary\n"+head+text+"\n"+strings.Repeat("x", 3*maxLogLine)+"\n"+head+text))
		if err != nil || log.Lines != 4 {
			t.Errorf("%s: %d lines, %v", text, log.Lines, err)
		}
		found := Check(Observed{OSDLogs: []OSDLog{log}}, Policy{}).Findings
		if want.code == "" && len(found) == 0 {
			continue
		}
		if len(found) != 1 || found[0].Code != want.code || found[0].Status != stackmend.Fail || !strings.Contains(words(found[0]), want.words) {
			t.Errorf("%s: %+v", text, found)
			continue
		}
		if s := log.Signs[0]; s.Count != 2 || s.First.IsZero() || s.Last.Before(s.First) {
			t.Errorf("%s: %+v", text, s)
		}
	}
}
