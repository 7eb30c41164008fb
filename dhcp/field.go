package dhcp

import (
	"bytes"
	"strconv"
	"time"
)

// after returns what follows a word in the text.
func after(text []byte, word string) ([]byte, bool) {
	_, rest, ok := bytes.Cut(text, []byte(word))
	return rest, ok
}

// prefix takes a word off the text.
func prefix(text *[]byte, word string) bool {
	if len(*text) < len(word) || string((*text)[:len(word)]) != word {
		return false
	}
	*text = (*text)[len(word):]
	return true
}

// field takes the next word, up to a space.
func field(text *[]byte) []byte {
	b := *text
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	i := bytes.IndexByte(b, ' ')
	if i < 0 {
		*text = nil
		return b
	}
	*text = b[i+1:]
	return b[:i]
}

// trim takes punctuation off the end of a word.
func trim(b []byte) []byte { return bytes.TrimRight(b, ".,;:()") }

// parseIPv4 reads 10.2.0.21, also in front of a mask: 10.2.0.21/24.
func parseIPv4(b []byte) (IPv4, bool) {
	var a IPv4
	n, digits, value := 0, 0, 0
	for i := 0; ; i++ {
		if i < len(b) && b[i] >= '0' && b[i] <= '9' {
			digits++
			value = 10*value + int(b[i]-'0')
			if digits > 3 || value > 255 {
				return a, false
			}
			continue
		}
		if digits == 0 {
			return a, false
		}
		a[n] = byte(value)
		n, digits, value = n+1, 0, 0
		if i == len(b) || b[i] == '/' {
			return a, n == 4
		}
		if b[i] != '.' || n == 4 {
			return a, false
		}
	}
}

// parseMAC reads fa:16:3e:24:e7:22, also behind the type of dnsmasq: 06-.
func parseMAC(b []byte) (m MAC, ok bool) {
	if len(b) == 20 && b[2] == '-' {
		b = b[3:]
	}
	if len(b) != 17 {
		return m, false
	}
	for i := range m {
		high, low := nibble[b[3*i]], nibble[b[3*i+1]]
		if high|low > 15 || i < 5 && b[3*i+2] != ':' {
			return MAC{}, false
		}
		m[i] = high<<4 | low
	}
	return m, true
}

// nibble is the value of each hexadecimal digit; of others more than 15.
var nibble = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i, c := range "0123456789" {
		t[c] = byte(i)
	}
	for i, c := range "abcdef" {
		t[c], t[c-'a'+'A'] = byte(10+i), byte(10+i)
	}
	return t
}()

// parseDecimal reads an unsigned number of 32 bits.
func parseDecimal(b []byte) (uint32, bool) {
	if len(b) == 0 || len(b) > 10 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + uint64(c-'0')
	}
	return uint32(n), n < 1<<32
}

// parseXID reads (xid=0x5b3c) and 0x5b3c.
func parseXID(b []byte) uint32 {
	if _, rest, ok := bytes.Cut(b, []byte("0x")); ok {
		b = rest
	}
	n, err := strconv.ParseUint(string(trim(b)), 16, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// parseSeconds reads a number of seconds.
func parseSeconds(b []byte) time.Duration {
	n, ok := parseDecimal(trim(b))
	if !ok || n == 1<<32-1 {
		return 0
	}
	return time.Duration(n) * time.Second
}

// parseLength reads dnsmasq's 1d2h, 1h30m, 1m45s, 90s, infinite. The units
// stand behind each number.
func parseLength(b []byte) time.Duration {
	units := map[byte]time.Duration{'w': 7 * 24 * time.Hour, 'd': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute, 's': time.Second}
	var total, n time.Duration
	for _, c := range bytes.TrimSpace(b) {
		if c >= '0' && c <= '9' {
			if n = 10*n + time.Duration(c-'0'); n > 1e10 {
				return 0
			}
			continue
		}
		u, ok := units[c]
		if !ok || n*u < 0 {
			return 0
		}
		total, n = total+n*u, 0
	}
	return total
}
