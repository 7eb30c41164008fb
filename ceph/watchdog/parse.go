package watchdog

import "bytes"

// The parsers below are on the path that must not allocate: they take what a
// kernel file held and return None for what is not in it.

// digits reads the decimal number that b begins with, after blanks. It returns
// what follows; n is None if there is no number or it is past an int64.
func digits(b []byte) (n int64, rest []byte) {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	start := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		if n > (1<<63-1-9)/10 {
			return None, nil
		}
		n = n*10 + int64(b[i]-'0')
		i++
	}
	if i == start {
		return None, b
	}
	return n, b[i:]
}

// field finds "name" at the beginning of a line and reads the number after it.
func field(b []byte, name string) int64 {
	for len(b) > 0 {
		if len(b) > len(name) && string(b[:len(name)]) == name {
			if c := b[len(name)]; c == ' ' || c == '\t' {
				n, _ := digits(b[len(name):])
				return n
			}
		}
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		b = b[i+1:]
	}
	return None
}

// kib reads a field that is in kB, in bytes.
func kib(b []byte, name string) int64 {
	n := field(b, name)
	if n < 0 || n > 1<<50 {
		return None
	}
	return n << 10
}

// parseStatm reads /proc/PID/statm: resident minus shared, in bytes, which is
// what RssAnon is computed from.
func parseStatm(b []byte, page int64) int64 {
	_, b = digits(b)
	resident, b := digits(b)
	shared, _ := digits(b)
	if resident < 0 || shared < 0 || shared > resident || resident > 1<<40 {
		return None
	}
	return (resident - shared) * page
}

// parsePSI reads the totals of a pressure file, in microseconds.
func parsePSI(b []byte) (some, full int64) {
	return stall(b, "some"), stall(b, "full")
}

func stall(b []byte, kind string) int64 {
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		if len(line) < len(kind) || string(line[:len(kind)]) != kind {
			continue
		}
		if i := bytes.LastIndexByte(line, '='); i >= 0 {
			n, _ := digits(line[i+1:])
			return n
		}
	}
	return None
}

// parseLimit reads a limit: a number, or None for "max" and for what version 1
// writes when there is none (the largest multiple of a page).
func parseLimit(b []byte) int64 {
	n, _ := digits(b)
	if n < 0 || n >= 1<<60 {
		return None
	}
	return n
}

// least is the smaller of two limits, of which either may be None.
func least(a, b int64) int64 {
	switch {
	case a < 0:
		return b
	case b < 0:
		return a
	}
	return min(a, b)
}

// unreclaimable is usage without the page cache: what a limit really meets.
func unreclaimable(usage int64, files ...int64) int64 {
	if usage < 0 {
		return None
	}
	for _, n := range files {
		usage -= max(n, 0)
	}
	return max(usage, 0)
}
