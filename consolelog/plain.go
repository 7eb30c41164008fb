package consolelog

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Plain makes the bytes of a console fit for people: without escape
// sequences, NULs and other control characters but for tabs and line ends,
// and in valid UTF-8 (what is not becomes U+FFFD). Marks that turn the
// direction of writing are left out as well.
func Plain(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		if b[0] == 0x1b {
			b = b[escape(b):]
			continue
		}
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			out = append(out, "\uFFFD"...)
		case r == '\n' || r == '\t' || unicode.IsPrint(r):
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return out
}

// maxEscape is how long a control sequence may be. What is longer is no
// sequence, and its text is shown.
const maxEscape = 256

// escape is the length of the escape sequence at the beginning of b, as in
// ECMA-48: CSI up to its final byte, a string (OSC, DCS, SOS, PM, APC) up to
// BEL or ST, else intermediate bytes and a final one.
func escape(b []byte) int {
	if len(b) == 1 {
		return 1
	}
	part := b[:min(len(b), maxEscape)]
	switch {
	case b[1] == '[':
		return sequence(part, 2)
	case strings.IndexByte("]PX^_", b[1]) >= 0:
		return controlString(part)
	}
	return sequence(part, 1)
}

// sequence goes over parameter and intermediate bytes to the final byte.
func sequence(b []byte, at int) int {
	for ; at < len(b); at++ {
		switch c := b[at]; {
		case c >= 0x40 && c <= 0x7e, at == 1 && c >= 0x30 && c <= 0x3f:
			return at + 1
		case c < 0x20 || c > 0x3f:
			return at // broken off: this byte is text again
		}
	}
	return at
}

func controlString(b []byte) int {
	for at := 2; at < len(b); at++ {
		switch {
		case b[at] == 0x07:
			return at + 1
		case b[at] == 0x1b && at+1 < len(b) && b[at+1] == '\\':
			return at + 2
		case b[at] == '\n':
			return at
		}
	}
	return 2 // no end to be seen
}

// printable makes a name from outside fit for one line.
func printable(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(string(Plain([]byte(s))), "\n", " "))
}
