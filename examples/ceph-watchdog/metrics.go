package main

import (
	"fmt"
	"io"
	"net"

	"github.com/stackmend/stackmend/ceph/watchdog"
)

// metrics writes a report in the text format of Prometheus, for the textfile
// collector of the node exporter.
func metrics(w io.Writer, r watchdog.Report) {
	family := func(name, kind, help string, value func(int) (float64, bool)) {
		fmt.Fprintf(w, "# HELP ceph_watchdog_%s %s\n# TYPE ceph_watchdog_%s %s\n", name, help, name, kind)
		for i, o := range r.Outlooks {
			if v, ok := value(i); ok {
				fmt.Fprintf(w, "ceph_watchdog_%s{osd=\"%d\"} %g\n", name, o.ID, v)
			}
		}
	}
	family("osd_memory_bytes", "gauge", "Anonymous memory of the OSD, swapped too.", func(i int) (float64, bool) { return float64(r.Outlooks[i].Used()), true })
	family("osd_growth_bytes_per_second", "gauge", "Sustained growth.", func(i int) (float64, bool) { return r.Outlooks[i].Slope, r.Outlooks[i].Steady })
	family("osd_room_bytes", "gauge", "Bytes until the nearest limit.", func(i int) (float64, bool) { return float64(r.Outlooks[i].Room), r.Outlooks[i].Room >= 0 })
	family("osd_left_seconds", "gauge", "Time until the limit is met; absent while it is not approached.", func(i int) (float64, bool) {
		return r.Outlooks[i].Left.Seconds(), r.Outlooks[i].Left != watchdog.Never
	})
	family("osd_level", "gauge", "0 quiet, 1 near, 2 release, 3 due, 4 critical.", func(i int) (float64, bool) { return float64(r.Verdicts[i].Level), true })
	family("osd_refused", "gauge", "1 while a restart that is due is refused.", func(i int) (float64, bool) {
		if _, ok := r.Refused[r.Outlooks[i].ID]; ok {
			return 1, true
		}
		return 0, true
	})
	family("osd_restarts", "gauge", "Restarts that are remembered.", func(i int) (n float64, ok bool) {
		for _, h := range r.History {
			if h.OSD == r.Outlooks[i].ID {
				n++
			}
		}
		return n, true
	})
	fmt.Fprintf(w, "# HELP ceph_watchdog_pass_timestamp_seconds When the last pass was made.\n# TYPE ceph_watchdog_pass_timestamp_seconds gauge\nceph_watchdog_pass_timestamp_seconds %d\n", r.Time.Unix())
	fmt.Fprintf(w, "# HELP ceph_watchdog_pass_seconds How long it took.\n# TYPE ceph_watchdog_pass_seconds gauge\nceph_watchdog_pass_seconds %g\n", r.Took.Seconds())
}

// notify tells systemd (sd_notify(3)). Nobody listens without a socket.
func notify(socket, state string) {
	if socket == "" {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = c.Write([]byte(state))
}
