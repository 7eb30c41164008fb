package imagecache

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
	"regexp"
	"strings"
	"time"
)

// Removal is a line of a nova log that says that a base file was deleted.
// Nova writes it just before the deletion.
type Removal struct {
	Host string    // who deleted; empty: neither the line nor the caller tells
	Path string    // as that host names it
	At   time.Time // zero: the line does not tell, or not the year
	Line string    // valid UTF-8 without control characters, of bounded length
}

// A NovaLog is what the lines of one log do not tell themselves.
type NovaLog struct {
	Host     string         // whose log it is, for lines that name no host
	Zone     *time.Location // of times without one; nil: UTC
	Modified time.Time      // of the file: gives the year where the lines do not
}

// maxLine is how much of a line is kept. A path is at most 4 KiB long.
const maxLine = 64 << 10

// said are the words of nova since 2012: "base file" (Essex to Havana), "base
// or swap file" (to Queens), "base, swap or ephemeral file" (since Rocky).
// See nova/virt/libvirt/imagecache.py, _remove_base_file and _remove_old_enough_file.
var (
	said = []byte("Removing base")
	// removing takes the path after the words.
	removing = regexp.MustCompile(`Removing base(?: or swap|, swap or ephemeral)? file: (/.*)$`)
	// escapes are the colours of terminals, which oslo.log can be told to write.
	escapes = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")
)

// Removals yields the lines that tell of a deleted base image, in the order of
// the log. It holds one line at a time, and of a longer one than 64 KiB the
// end. A line without its end is passed over: its path may be another's. An
// error of r is the last pair.
func (l NovaLog) Removals(r io.Reader) iter.Seq2[Removal, error] {
	return func(yield func(Removal, error) bool) {
		in := bufio.NewReaderSize(r, maxLine)
		for {
			line, err := lineEnd(in)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Removal{}, err)
				return
			}
			if rm, ok := l.parse(line); ok && !yield(rm, nil) {
				return
			}
		}
	}
}

// lineEnd is the next whole line, or the end of it if it is long. The bytes
// are good until the next call.
func lineEnd(in *bufio.Reader) ([]byte, error) {
	var tail []byte // of the part before
	for {
		b, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			tail = append(tail[:0], b[len(b)-maxLine/8:]...)
			continue
		}
		if len(tail) > 0 {
			b = append(tail, b...)
		}
		return b, err
	}
}

// parse reads one line, of any layout around the words of nova.
func (l NovaLog) parse(line []byte) (Removal, bool) {
	if !bytes.Contains(line, said) {
		return Removal{}, false
	}
	// A log that was truncated under its writer begins with a hole of NULs.
	text := strings.ReplaceAll(string(line), "\x00", "")
	text = strings.TrimRight(escapes.ReplaceAllString(text, ""), " \t\r\n")
	path, ok := pathOf(text)
	if !ok {
		return Removal{}, false
	}
	at, host := l.stamp(text)
	return Removal{Host: host, Path: path, At: at, Line: printable(text)}, true
}

// pathOf takes the path, of plain lines and of JSON ones.
func pathOf(text string) (string, bool) {
	m := removing.FindStringSubmatch(text[strings.LastIndex(text, string(said)):])
	if m == nil {
		return "", false
	}
	path := m[1]
	if i := strings.IndexByte(path, '"'); i >= 0 && strings.Contains(text, `{"`) {
		path = path[:i] // the end of a JSON string
	}
	return path, len(path) < 4096 && !strings.ContainsFunc(path, isControl)
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// printable makes a line fit for a finding.
func printable(s string) string {
	if len(s) > 2048 {
		s = s[:2048]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return ' '
		}
		return r
	}, s)
}
