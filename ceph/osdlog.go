package ceph

import (
	"bufio"
	"io"
	"regexp"
	"time"
)

// maxLogLine bounds a line that is looked at; what is longer is cut.
const maxLogLine = 64 << 10

// An OSDLog is what a log of an OSD says that matters here.
type OSDLog struct {
	Name  string
	Lines int64
	Signs []Sign // in the order of signs
}

// A Sign is a kind of line, and how often it came.
type Sign struct {
	Kind        string
	Count       int
	First, Last time.Time // zero where the line had no time
	Example     string    // the last, cut
}

// The kinds of signs.
const (
	signChecksum = "block checksum mismatch"
	signCorrupt  = "RocksDB corruption"
	signDups     = "num of dups exceeded"
	signMarkdown = "markdown budget used up"
	signSuicide  = "suicide timeout"
	signCsum     = "BlueStore checksum"
)

// signs are looked for in this order; a line counts for the first it matches.
// The texts are those of rocksdb's block_fetcher.cc, Ceph's PGLog.cc, OSD.cc,
// HeartbeatMap.cc and BlueStore.cc at v16.2.15.
var signs = []struct {
	kind string
	re   *regexp.Regexp
}{
	{signChecksum, regexp.MustCompile(`Corruption: block checksum mismatch`)},
	{signCorrupt, regexp.MustCompile(`(?:Compaction error|rocksdb).*Corruption:|Corruption: (?:Bad|truncated|missing|SST)`)},
	{signDups, regexp.MustCompile(`num of dups exceeded \d+`)},
	{signMarkdown, regexp.MustCompile(`marked down \d+ > osd_max_markdown_count`)},
	{signSuicide, regexp.MustCompile(`had suicide timed out`)},
	{signCsum, regexp.MustCompile(`_verify_csum bad `)},
}

var logTime = regexp.MustCompile(`^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d{1,9}(?:Z|[+-]\d{4})?`)

// ReadOSDLog reads a log of an OSD, however large, in a stream.
func ReadOSDLog(name string, r io.Reader) (OSDLog, error) {
	log := OSDLog{Name: name}
	found := map[string]*Sign{}
	lines := bufio.NewReaderSize(r, maxLogLine)
	for {
		line, cut, err := lines.ReadLine()
		if err == io.EOF {
			break
		}
		if err != nil {
			return log, err
		}
		log.Lines++
		note(found, line)
		for cut && err == nil { // the rest of a giant line
			_, cut, err = lines.ReadLine()
		}
	}
	for _, s := range signs {
		if f := found[s.kind]; f != nil {
			log.Signs = append(log.Signs, *f)
		}
	}
	return log, nil
}

func note(found map[string]*Sign, line []byte) {
	for _, s := range signs {
		if !s.re.Match(line) {
			continue
		}
		sign := found[s.kind]
		if sign == nil {
			sign = &Sign{Kind: s.kind}
			found[s.kind] = sign
		}
		sign.Count++
		sign.Example = string(clip(line, 300))
		if at, err := parseTime(string(logTime.Find(line))); err == nil {
			if sign.First.IsZero() {
				sign.First = at
			}
			sign.Last = at
		}
		return
	}
}
