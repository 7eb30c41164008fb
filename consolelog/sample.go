package consolelog

import (
	"bytes"
	"cmp"
	"slices"
)

// sampleBytes is how much of a log's end is looked at.
const sampleBytes = 64 << 10

// sample looks at the ends of the n logs that grow fastest, or are largest.
func (s *Snapshot) sample(n int) {
	top := Talkers(s.Logs)
	for _, i := range top[:min(max(n, 0), len(top))] {
		l := &s.Logs[i]
		b, err := Tail{Path: l.Path, Bytes: sampleBytes, Alone: true}.Read()
		if err != nil {
			s.unseen("sample of %s: %v", l.Path, err)
			continue
		}
		l.Sample = sampleOf(b)
	}
}

// Talkers orders logs by how fast they grow, and then by what they hold. It
// returns their indexes.
func Talkers(logs []Log) []int {
	var order []int
	for i, l := range logs {
		if l.Mode.IsRegular() {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(logs[b].Growth.PerSecond(), logs[a].Growth.PerSecond()), cmp.Compare(logs[b].Held(), logs[a].Held()))
	})
	return order
}

// sampleOf counts lines. Digits count as the same, for a line that comes again
// and again differs in its time stamp or its number.
func sampleOf(b []byte) Sample {
	out := Sample{Bytes: len(b)}
	times := map[string]int{}
	for line := range bytes.Lines(b) {
		line = bytes.TrimRight(Plain(line), "\r\n")
		if len(line) > maxSampled {
			line = line[:maxSampled]
		}
		out.Lines++
		key := string(bytes.Map(digits, line))
		if times[key]++; len(bytes.TrimSpace(line)) > 0 && times[key] > out.Times {
			out.Times, out.Most = times[key], string(bytes.ToValidUTF8(line, nil))
		}
	}
	return out
}

// maxSampled is how much of a line is compared and shown.
const maxSampled = 160

func digits(r rune) rune {
	if r >= '0' && r <= '9' {
		return '0'
	}
	return r
}

// LinesPerSecond is how many lines a log gets, going by its growth and the
// length of the lines in its sample; 0 if one of them is not known.
func (l Log) LinesPerSecond() float64 {
	if l.Sample.Lines == 0 || l.Sample.Bytes == 0 {
		return 0
	}
	return l.Growth.PerSecond() * float64(l.Sample.Lines) / float64(l.Sample.Bytes)
}
