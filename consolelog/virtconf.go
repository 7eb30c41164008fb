package consolelog

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Where a daemon's configuration was read.
type Where struct {
	Path    string // as the daemon names it
	PID     int    // of the daemon; 0: none runs, the file is what one would read
	Missing bool   // there is no such file: the defaults hold
	// Later: the file was written after the daemon began, so what it says may
	// not be in effect.
	Later bool
}

// Virtlogd is how libvirt's log daemon bounds the logs that it writes.
// Similar to: virtlogd.conf of libvirt,
// https://gitlab.com/libvirt/libvirt/-/blob/v9.0.0/src/logging/virtlogd.conf
type Virtlogd struct {
	Where
	MaxSize    int64 // bytes before it rotates; 0: never
	MaxBackups int64
	MaxAgeDays int64
}

// Bound is how many bytes a console may take: 0 if it may take all.
func (v Virtlogd) Bound() int64 {
	if v.MaxSize <= 0 {
		return 0
	}
	return v.MaxSize * (v.MaxBackups + 1)
}

// QemuConf is who writes the logs of the domains that start from now on.
type QemuConf struct {
	Where
	StdioHandler string // "logd" or "file"
}

// What libvirt does where its files say nothing.
const (
	defaultMaxSize    = 2 << 20
	defaultMaxBackups = 3
	defaultHandler    = "logd"
)

// ParseVirtlogd reads a virtlogd.conf.
func ParseVirtlogd(r io.Reader) (Virtlogd, error) {
	v := Virtlogd{MaxSize: defaultMaxSize, MaxBackups: defaultMaxBackups}
	err := parseConf(r, func(key, value string) (err error) {
		switch key {
		case "max_size":
			v.MaxSize, err = count(key, value)
		case "max_backups":
			v.MaxBackups, err = count(key, value)
		case "max_age_days":
			v.MaxAgeDays, err = count(key, value)
		}
		return err
	})
	return v, err
}

func count(key, value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 40)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("consolelog: %s is %q, not a number", key, value)
	}
	return n, nil
}

// ParseQemuConf reads a qemu.conf.
func ParseQemuConf(r io.Reader) (QemuConf, error) {
	q := QemuConf{StdioHandler: defaultHandler}
	err := parseConf(r, func(key, value string) error {
		if key != "stdio_handler" {
			return nil
		}
		handler := strings.Trim(value, `"'`)
		if handler != "logd" && handler != "file" {
			return fmt.Errorf("consolelog: stdio_handler is %q, neither logd nor file", value)
		}
		q.StdioHandler = handler
		return nil
	})
	return q, err
}

// maxConfLine bounds a line of a configuration file.
const maxConfLine = 64 << 10

// parseConf gives every `key = value` of a file in libvirt's format. Lists
// may go over several lines; their later lines hold no key and are passed by.
func parseConf(r io.Reader, set func(key, value string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxConfLine)
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), "=")
		key = strings.TrimSpace(key)
		if !ok || strings.HasPrefix(key, "#") {
			continue
		}
		if err := set(key, plainValue(value)); err != nil {
			return err
		}
	}
	return lines.Err()
}

// plainValue takes the comment off a value.
func plainValue(v string) string {
	v = strings.TrimSpace(v)
	if len(v) > 0 && (v[0] == '"' || v[0] == '\'') {
		if end := strings.IndexByte(v[1:], v[0]); end >= 0 {
			return v[:end+2]
		}
		return v
	}
	v, _, _ = strings.Cut(v, "#")
	return strings.TrimSpace(v)
}

// later reports whether a file was written after a process began.
func later(written, began time.Time) bool {
	return !began.IsZero() && written.After(began)
}
