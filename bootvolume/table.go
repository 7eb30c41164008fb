package bootvolume

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// WriteTable writes the boots one below the other, and what became of each at
// the stages that its request passed; a break is marked with an X. What is not
// printable in a name is left out.
func WriteTable(w io.Writer, boots []Boot) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows := [][]string{{"instance", "compute", "nova asked", "haproxy", "cinder-api", "cinder-volume", "ended"}}
	for _, b := range boots {
		rows = append(rows, []string{b.Instance, b.Host, b.Begun.UTC().Format("15:04:05.000"), b.atProxy(), b.atCinder(), b.atVolume(), b.end()})
	}
	for _, r := range rows {
		if _, err := fmt.Fprintln(t, strings.Join(printable(r), "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

func printable(row []string) []string {
	for i, cell := range row {
		row[i] = strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) {
				return r
			}
			return -1
		}, cell)
	}
	return row
}

func (b Boot) atProxy() string {
	h := b.HAProxy
	switch {
	case h == nil:
		return "not seen"
	case h.Status >= 400:
		return fmt.Sprintf("X %d %s %s %v", h.Status, h.Server, h.Term, h.Total)
	}
	return fmt.Sprintf("%d %s %s %v", h.Status, h.Server, h.Term, h.Total)
}

func (b Boot) atCinder() string {
	switch c := b.Cinder; {
	case c == nil:
		return "not seen"
	case c.Posted.IsZero() && c.Accepted.IsZero():
		return "not seen"
	case c.Quota != "":
		return "X over quota"
	case c.Accepted.IsZero():
		return "X posted, not accepted"
	case !b.Built && c.Accepted.After(b.Ended):
		return "X accepted too late"
	}
	return "accepted"
}

// atVolume is what cinder-scheduler and cinder-volume made of it.
func (b Boot) atVolume() string {
	switch c := b.Cinder; {
	case c == nil || !c.beyond():
		return "not seen"
	case c.Unscheduled != "" && c.Unmade == "":
		return "X no backend"
	case c.Made.IsZero() && c.Unmade != "":
		return "X failed"
	case c.Made.IsZero():
		return "X begun, not made"
	case !b.Built && !b.Ended.IsZero() && c.Made.After(b.Ended):
		return "X made too late"
	}
	return "made"
}

func (b Boot) end() string {
	switch {
	case b.Built:
		return "runs"
	case b.Failure != "":
		return "X failed"
	}
	return "not seen"
}
