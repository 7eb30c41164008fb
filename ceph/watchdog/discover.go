package watchdog

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"
)

// osdOf finds the number of an OSD in its command line, if that is an OSD's and
// has all of these words.
func osdOf(cmdline []byte, words []string) (id int, ok bool) {
	argv := strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")
	if argv[0][strings.LastIndexByte(argv[0], '/')+1:] != "ceph-osd" {
		return 0, false
	}
	for _, w := range words {
		if !slices.Contains(argv, w) {
			return 0, false
		}
	}
	for i, a := range argv[1:] {
		text, found := "", false
		switch before := argv[i]; {
		case before == "-i" || before == "--id":
			text, found = a, true
		case before == "-n" || before == "--name":
			text, found = strings.CutPrefix(a, "osd.")
		}
		for _, p := range []string{"--id=", "--name=osd.", "-nosd.", "-i"} {
			if rest, is := strings.CutPrefix(a, p); is && !found && rest != "" {
				text, found = rest, true
			}
		}
		if n, err := strconv.Atoi(text); found && err == nil && n >= 0 {
			return n, true
		}
	}
	return 0, false
}

// started reads the time after the boot at which a process began, from its
// stat file. The kernel counts it in hundredths of a second.
func started(stat []byte) (time.Duration, bool) {
	i := bytes.LastIndexByte(stat, ')')
	if i < 0 {
		return 0, false
	}
	f := bytes.Fields(stat[i+1:])
	const starttime = 22 - 3 // the first after the name is field 3
	if len(f) <= starttime {
		return 0, false
	}
	n, err := strconv.ParseInt(string(f[starttime]), 10, 63)
	if err != nil || n < 0 || n > 1<<40 {
		return 0, false
	}
	return time.Duration(n) * 10 * time.Millisecond, true
}

// uptime reads the first number of /proc/uptime.
func uptime(b []byte) (time.Duration, bool) {
	text, _, _ := strings.Cut(string(b), " ")
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || !(s >= 0 && s < 1e9) {
		return 0, false
	}
	return time.Duration(s * float64(time.Second)), true
}

// groupsOf reads where a process is in the two hierarchies that may limit its
// memory, from /proc/PID/cgroup; a path that is not there is empty.
func groupsOf(b []byte) (v1, v2 string) {
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || !strings.HasPrefix(f[2], "/") || strings.Contains(f[2], "/..") {
			continue
		}
		if f[0] == "0" && f[1] == "" {
			v2 = f[2]
		} else if slices.Contains(strings.Split(f[1], ","), "memory") {
			v1 = f[2]
		}
	}
	return v1, v2
}
