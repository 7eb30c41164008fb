package ceph

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// parseSNMP reads the TCP counters of /proc/net/snmp: a line of names and a
// line of values.
func parseSNMP(r io.Reader) (TCPCounters, error) {
	var names []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), "Tcp:")
		if !ok {
			continue
		}
		if names == nil {
			names = strings.Fields(rest)
			continue
		}
		values := map[string]int64{}
		for i, text := range strings.Fields(rest) {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || i >= len(names) {
				return TCPCounters{}, fmt.Errorf("ceph: /proc/net/snmp: bad line %.80q", lines.Text())
			}
			values[names[i]] = n
		}
		if _, ok := values["RetransSegs"]; !ok {
			break
		}
		return TCPCounters{values["OutSegs"], values["RetransSegs"], values["InCsumErrors"]}, nil
	}
	return TCPCounters{}, fmt.Errorf("ceph: /proc/net/snmp has no TCP counters: %w", orEOF(lines.Err()))
}

func orEOF(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseNetRX reads the network softirqs of each CPU from /proc/softirqs.
func parseNetRX(r io.Reader) ([]int64, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "NET_RX:")
		if !ok {
			continue
		}
		var out []int64
		for _, f := range strings.Fields(rest) {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return nil, err
			}
			out = append(out, n)
		}
		return out, nil
	}
	return nil, fmt.Errorf("ceph: /proc/softirqs without NET_RX: %w", orEOF(lines.Err()))
}

// parseKB reads "Name:   123 kB" lines such as those of /proc/meminfo and
// /proc/PID/status, in bytes.
func parseKB(r io.Reader) (map[string]int64, error) {
	out := map[string]int64{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, rest, ok := strings.Cut(lines.Text(), ":")
		f := strings.Fields(rest)
		if !ok || len(f) != 2 || f[1] != "kB" {
			continue
		}
		n, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil || n < 0 || n > 1<<50 {
			return nil, fmt.Errorf("ceph: bad size %.80q", lines.Text())
		}
		out[name] = n << 10
	}
	return out, lines.Err()
}

// parseTimeWait reads the TCP line of /proc/net/sockstat.
func parseTimeWait(r io.Reader) (int64, error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		for i := 1; i+1 < len(f) && f[0] == "TCP:"; i += 2 {
			if f[i] == "tw" {
				return strconv.ParseInt(f[i+1], 10, 64)
			}
		}
	}
	return -1, fmt.Errorf("ceph: /proc/net/sockstat without TCP tw: %w", orEOF(lines.Err()))
}

// parseBooted reads the time of the boot from /proc/stat.
func parseBooted(r io.Reader) (time.Time, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 4<<20) // the line of interrupts is long
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "btime "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			return time.Unix(n, 0).UTC(), err
		}
	}
	return time.Time{}, fmt.Errorf("ceph: /proc/stat without btime: %w", orEOF(lines.Err()))
}

var flowPorts = regexp.MustCompile(`[sd]port=(\d{1,5})`)

// parseConntrack counts tracked connections and those of storage traffic in
// /proc/net/nf_conntrack.
func parseConntrack(r io.Reader) (all, storage int64, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		all++
		for _, m := range flowPorts.FindAllStringSubmatch(lines.Text(), 2) {
			if n, err := strconv.Atoi(m[1]); err == nil && storagePort(n) {
				storage++
				break
			}
		}
	}
	return all, storage, lines.Err()
}

// storagePort reports whether a port is one of Ceph's: monitors 3300 and 6789,
// others ms_bind_port_min to ms_bind_port_max, 6800-7568 since Quincy.
func storagePort(n int) bool { return n == 3300 || n == 6789 || n >= 6800 && n <= 7568 }

// osdNumber finds the number of an OSD in the words of its command line: -i 3,
// -i3, --id 3, --id=3.
func osdNumber(words []string) (int, bool) {
	for i, w := range words {
		text := ""
		switch {
		case (w == "-i" || w == "--id") && i+1 < len(words):
			text = words[i+1]
		case strings.HasPrefix(w, "--id="):
			text = w[len("--id="):]
		case strings.HasPrefix(w, "-i") && len(w) > 2:
			text = w[2:]
		default:
			continue
		}
		if n, err := strconv.Atoi(text); err == nil && n >= 0 {
			return n, true
		}
	}
	return 0, false
}

var unitName = regexp.MustCompile(`^ceph-(?:.*@osd\.|osd@)(\d{1,9})\.service$`)

// parseUnits reads `systemctl show` of units: blocks of NAME=VALUE with an
// empty line between.
func parseUnits(r io.Reader) ([]Unit, error) {
	var out []Unit
	block := map[string]string{}
	end := func() {
		if u, ok := unit(block); ok {
			out = append(out, u)
		}
		clear(block)
	}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), "=")
		if !ok {
			end()
			continue
		}
		block[name] = value
	}
	end()
	return out, lines.Err()
}

// unitProperties are what is asked of systemd.
const unitProperties = "Id,NRestarts,Result,ExecMainStatus,StartLimitBurst,StartLimitIntervalUSec"

func unit(block map[string]string) (Unit, bool) {
	m := unitName.FindStringSubmatch(block["Id"])
	if m == nil {
		return Unit{}, false
	}
	id, err1 := strconv.Atoi(m[1])
	restarts, err2 := strconv.Atoi(block["NRestarts"])
	if err1 != nil || err2 != nil {
		return Unit{}, false
	}
	burst, _ := strconv.Atoi(block["StartLimitBurst"]) // 0: not known
	return Unit{id, restarts, block["Result"], block["ExecMainStatus"], burst, span(block["StartLimitIntervalUSec"])}, true
}

// span reads what systemd writes for a length of time: "30min", "1min 30s",
// "10s"; 0: not known.
func span(text string) time.Duration {
	d, err := time.ParseDuration(strings.ReplaceAll(strings.ReplaceAll(text, " ", ""), "min", "m"))
	if err != nil {
		return 0
	}
	return d
}
