package bootvolume

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

const (
	across   = 6                // instances beside each other
	mostRuns = 24               // of a batch of more, those that run are left out
	apart    = 10 * time.Minute // between batches nothing is asked for so long
	shortID  = 8                // of an instance
)

// WriteTable writes a table for each batch: the instances across, six at a
// time, the stages that their requests passed down, and a break is marked with
// an X. Of a batch of more than 24 those that run are left out. What is not
// printable in a name is left out. Times are UTC.
func WriteTable(w io.Writer, boots []Boot) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, batch := range batches(boots) {
		if err := writeBatch(t, batch); err != nil {
			return err
		}
	}
	return t.Flush()
}

// batches are boots that follow each other soon.
func batches(boots []Boot) (all [][]Boot) {
	begun := 0
	for i := 1; i <= len(boots); i++ {
		if i == len(boots) || boots[i].Begun.Sub(boots[i-1].Begun) > apart {
			all = append(all, boots[begun:i])
			begun = i
		}
	}
	return all
}

func writeBatch(t *tabwriter.Writer, batch []Boot) error {
	title := fmt.Sprintf("%d instances, from %s to %s", len(batch), stampText(batch[0].Begun), stampText(batch[len(batch)-1].Begun))
	if len(batch) > mostRuns {
		lost := slices.DeleteFunc(slices.Clone(batch), func(b Boot) bool { return b.Built && b.Failure == "" })
		title += fmt.Sprintf("; %d that run are left out", len(batch)-len(lost))
		batch = lost
	}
	if _, err := fmt.Fprintln(t, title); err != nil {
		return err
	}
	for part := range slices.Chunk(batch, across) {
		if err := writeStages(t, part); err != nil {
			return err
		}
	}
	return nil
}

func writeStages(t *tabwriter.Writer, boots []Boot) error {
	for _, stage := range []struct {
		name string
		of   func(Boot) string
	}{
		{"instance", func(b Boot) string { return b.Instance[:min(len(b.Instance), shortID)] }},
		{"compute", func(b Boot) string { return b.Host }},
		{"nova asked", func(b Boot) string { return b.Begun.UTC().Format("15:04:05.000") }},
		{"haproxy", Boot.atProxy},
		{"cinder-api", Boot.atCinder},
		{"cinder-volume", Boot.atVolume},
		{"ended", Boot.end},
	} {
		row := []string{stage.name}
		for _, b := range boots {
			row = append(row, stage.of(b))
		}
		if _, err := fmt.Fprintln(t, strings.Join(printable(row), "\t")); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(t)
	return err
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
	case c == nil || c.Posted.IsZero() && c.Accepted.IsZero():
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
