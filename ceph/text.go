package ceph

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// bytesText writes a number of bytes for people.
func bytesText(n int64) string {
	const units = "KMGTPE"
	if n < 1<<10 && n > -1<<10 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, i := float64(n)/1024, 0
	for ; (f >= 1024 || f <= -1024) && i < len(units)-1; i++ {
		f /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", f, units[i])
}

// duration writes a length of time without false precision.
func duration(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	case d >= time.Hour:
		return d.Round(time.Minute).String()
	}
	return d.Round(time.Second).String()
}

// some writes the first n of a list, and how many more there are.
func some(list []string, n int) string {
	if len(list) <= n {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:n], ", "), len(list)-n)
}

// shown is how many names a message holds.
const shown = 8

func osdNames(ids []int) string {
	names := make([]string, 0, len(ids))
	for _, id := range ids {
		names = append(names, osdName(id))
	}
	return some(names, shown)
}

func osdName(id int) string { return "osd." + strconv.Itoa(id) }

func pgNames(pgs []PG) string {
	names := make([]string, 0, len(pgs))
	for _, p := range pgs {
		names = append(names, p.ID)
	}
	return some(names, shown)
}

// seen makes a piece of evidence.
func seen(source, format string, args ...any) stackmend.Evidence {
	return stackmend.Evidence{Source: source, Value: fmt.Sprintf(format, args...)}
}

// against makes a piece of evidence that speaks against the finding.
func against(source, format string, args ...any) stackmend.Evidence {
	e := seen(source, format, args...)
	e.Against = true
	return e
}

// sorted are the keys of a map in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func percent(part, of int64) float64 {
	if of <= 0 {
		return 0
	}
	return 100 * float64(part) / float64(of)
}
