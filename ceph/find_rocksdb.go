package ceph

import (
	"github.com/stackmend/stackmend"
)

// findRocksDB reads the signs in the logs of OSDs.
func findRocksDB(o Observed, _ Policy) []stackmend.Finding {
	var out []stackmend.Finding
	for _, log := range o.OSDLogs {
		for _, s := range log.Signs {
			f := o.sign(s)
			f.Subject = log.Name
			f.Evidence = append([]stackmend.Evidence{{Source: log.Name, Value: s.Example, At: s.Last}}, f.Evidence...)
			out = append(out, f)
		}
	}
	return out
}

func (o Observed) sign(s Sign) stackmend.Finding {
	f := finding(stackmend.Fail, "", "%s, %s", s.Kind, timesText(s.Count))
	f.Code = CodeRocksDB
	switch s.Kind {
	case signChecksum, signCsum:
		f.Fix = "read again before you redeploy: a kernel short of memory can hand out zeroed reads (tracker 22464). With memory to spare, the OSD stopped: `ceph-bluestore-tool fsck --deep 1`; if it fails again look at the disk, then redeploy"
		f.Confidence = stackmend.Medium
		if n := len(o.Host.oomKills(nil)); n > 0 {
			f.Confidence = stackmend.Low
			f.Evidence = append(f.Evidence, against("kernel log", "%s the kernel was out of memory: the read may have been wrong, not the disk", timesText(n)))
		}
	case signCorrupt:
		f.Fix = "the OSD stopped, `ceph-bluestore-tool fsck --deep 1` twice, with memory to spare; if both fail, and only when its PGs are whole elsewhere, redeploy it"
		f.Confidence = stackmend.Medium
	case signDups:
		f.Code, f.Confidence = CodePGLogDups, stackmend.High
		f.Fix = "update to a release that trims dups by itself (16.2.11, 17.2.4), or `ceph-objectstore-tool --op trim-pg-log-dups`, the OSD stopped (tracker 53729)"
	case signMarkdown:
		f.Code, f.Confidence = CodeFlapping, stackmend.High
		f.Fix = "the OSD ended itself after it was marked down too often: find out why its neighbours do not hear it before you start it"
	case signSuicide:
		f.Code = CodeFlapping
		f.Fix = "a thread hung: look at the disk, at the length of PG logs, at RocksDB's compaction; a longer timeout hides it"
	}
	return f
}
