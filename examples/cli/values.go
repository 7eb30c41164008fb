package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An Age is a length of time on a flag: 24h, 90m, and beside what Go knows
// whole days and weeks, 365d and 2w.
type Age time.Duration

// Set parses the flag's value.
func (a *Age) Set(text string) error {
	d, err := parseAge(text)
	if err != nil {
		return fmt.Errorf("%q is not an age such as 24h or 365d", text)
	}
	*a = Age(d)
	return nil
}

func (a Age) String() string {
	if d := time.Duration(a); d > 0 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return time.Duration(a).String()
}

// Before returns the instant that lies this age before now. Print it: people
// should see what an age means.
func (a Age) Before(now time.Time) time.Time { return now.Add(-time.Duration(a)).UTC() }

func parseAge(text string) (time.Duration, error) {
	units := map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour}
	for suffix, unit := range units {
		digits, ok := strings.CutSuffix(text, suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 32)
		if err != nil || n < 0 || time.Duration(n) > (1<<63-1)/unit {
			return 0, fmt.Errorf("not a number of days or weeks: %q", text)
		}
		return time.Duration(n) * unit, nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = fmt.Errorf("negative: %q", text)
	}
	return d, err
}

// A Size is a number of bytes on a flag: 100MiB, 1GiB, 5GB, 4096.
type Size int64

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1}}

// Set parses the flag's value.
func (s *Size) Set(text string) error {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > (1<<63-1)/u.bytes {
			break
		}
		*s = Size(n * u.bytes)
		return nil
	}
	return fmt.Errorf("%q is not a size such as 100MiB", text)
}

func (s Size) String() string { return Bytes(int64(s)) }

// Bytes writes a number of bytes for people.
func Bytes(n int64) string {
	for i := 3; i >= 0; i-- {
		if u := sizeUnits[i]; n >= u.bytes {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.bytes), u.suffix)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// List collects the values of a flag that may be repeated.
type List []string

// Set adds a value.
func (l *List) Set(text string) error {
	if text == "" {
		return fmt.Errorf("empty")
	}
	*l = append(*l, text)
	return nil
}

func (l *List) String() string {
	if l == nil {
		return ""
	}
	return strings.Join(*l, ",")
}

// Pairs collects NAME=VALUE from a flag that may be repeated.
type Pairs map[string]string

// Set adds a pair; a name that comes again is an error.
func (p *Pairs) Set(text string) error {
	k, v, ok := strings.Cut(text, "=")
	if !ok || k == "" || v == "" {
		return fmt.Errorf("%q is not NAME=VALUE", text)
	}
	if _, again := (*p)[k]; again {
		return fmt.Errorf("%q is given twice", k)
	}
	if *p == nil {
		*p = Pairs{}
	}
	(*p)[k] = v
	return nil
}

func (p *Pairs) String() string { return "" }
