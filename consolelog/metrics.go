package consolelog

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// metric is one family of Prometheus's text format.
type metric struct {
	name, help string
	value      func(Log) float64
}

// WriteMetrics writes a snapshot in Prometheus's text format, for the
// textfile collector of node_exporter: write it to another name and rename
// it. https://prometheus.io/docs/instrumenting/exposition_formats/
func WriteMetrics(w io.Writer, s *Snapshot) error {
	b := bufio.NewWriter(w)
	for _, m := range []metric{
		{"stackmend_console_log_size_bytes", "Apparent size of a console log.", func(l Log) float64 { return float64(l.Size) }},
		{"stackmend_console_log_held_bytes", "Bytes of data that a console log keeps on its disk.", func(l Log) float64 { return float64(l.Held()) }},
		{"stackmend_console_log_growth_bytes_per_second", "Growth of a console log between two looks.", func(l Log) float64 { return l.Growth.PerSecond() }},
		{"stackmend_console_log_writers", "Processes that have a console log open for writing.", func(l Log) float64 { return float64(len(l.Writers)) }},
	} {
		m.write(b, s.Logs)
	}
	head(b, "stackmend_console_filesystem_free_bytes", "Free space of a filesystem that holds console logs.")
	for _, f := range s.Filesystems {
		fmt.Fprintf(b, "stackmend_console_filesystem_free_bytes{device=%s,fstype=%s} %d\n", label(f.ID), label(f.Type), f.Free)
	}
	gauge(b, "stackmend_console_unseen", "Things that could not be read.", float64(len(s.Unseen)))
	gauge(b, "stackmend_console_observed_timestamp_seconds", "When the logs were looked at.", float64(s.At.UnixMilli())/1000)
	return b.Flush()
}

// write writes what is known: a log that was not looked at for writers has no
// number of them, and one without two looks no growth.
func (m metric) write(w io.Writer, logs []Log) {
	head(w, m.name, m.help)
	for _, l := range logs {
		unknown := strings.HasSuffix(m.name, "_writers") && l.Looked != Complete || strings.Contains(m.name, "_growth_") && l.Growth.Over == 0
		if l.Mode.IsRegular() && !unknown {
			fmt.Fprintf(w, "%s{instance=%s,file=%s} %v\n", m.name, label(l.Instance), label(l.Name), m.value(l))
		}
	}
}

func head(w io.Writer, name, help string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
}

func gauge(w io.Writer, name, help string, v float64) {
	head(w, name, help)
	fmt.Fprintf(w, "%s %v\n", name, v)
}

// label writes a label's value: UTF-8, with \, " and line ends escaped.
func label(v string) string {
	v = strings.ToValidUTF8(v, "\uFFFD")
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(v) + `"`
}
