package logtail

import "bytes"

// A Header is what syslog says before the message of a line.
type Header struct {
	Stamp
	Priority int // facility*8+severity; -1: not said
	Host     string
	Tag      string // program, APP-NAME
	PID      string
	Message  []byte // what follows; it belongs to the Reader
}

// Header reads a line of syslog, as a relay or rsyslog writes it to a file:
// RFC 5424, RFC 3164, and RFC 3164 with a time stamp of ISO 8601. The tag is
// only taken if it looks like one: a word that ends in ":" or "[123]:". It
// reports false, and the Message is the whole text, if the line does not begin
// with a time stamp.
func (c *Clock) Header(text []byte) (Header, bool) {
	h := Header{Priority: -1, Message: text}
	b, pri := priority(text)
	v1 := pri >= 0 && bytes.HasPrefix(b, []byte("1 "))
	if v1 {
		b = b[2:]
	}
	s, b, ok := c.Stamp(b)
	if !ok {
		return h, false
	}
	h.Stamp, h.Priority = s, pri
	b = bytes.TrimLeft(b, " ")
	if v1 {
		h.fields5424(b)
		return h, true
	}
	h.fields3164(b)
	return h, true
}

// priority takes "<189>".
func priority(b []byte) ([]byte, int) {
	if len(b) < 3 || b[0] != '<' {
		return b, -1
	}
	p := parser{b[1:]}
	n, ok := p.number(1, 3)
	if !ok || n > 191 || !p.char('>') {
		return b, -1
	}
	return p.b, n
}

func (h *Header) fields3164(b []byte) {
	host, rest, ok := bytes.Cut(b, space)
	if !ok || bytes.HasSuffix(host, colon) { // a tag without a host, as in a local file of a switch
		h.Message = b
		h.tag()
		return
	}
	h.Host, h.Message = string(host), rest
	h.tag()
}

// tag takes "sshd[123]: " off the message.
func (h *Header) tag() {
	word, rest, ok := bytes.Cut(h.Message, space)
	if !ok {
		word, rest = h.Message, nil
	}
	name, ok := bytes.CutSuffix(word, colon)
	if !ok || len(name) == 0 || len(name) > 64 || name[0] == '%' {
		return
	}
	if at := bytes.IndexByte(name, '['); at > 0 && name[len(name)-1] == ']' {
		h.PID = string(name[at+1 : len(name)-1])
		name = name[:at]
	}
	if bytes.ContainsAny(name, "[]:") {
		h.PID = ""
		return
	}
	h.Tag, h.Message = string(name), rest
}

var (
	space = []byte{' '}
	colon = []byte{':'}
)

// fields5424: HOSTNAME APP-NAME PROCID MSGID [structured data] MSG.
func (h *Header) fields5424(b []byte) {
	take := func() string {
		word, rest, _ := bytes.Cut(b, space)
		b = rest
		if string(word) == "-" {
			return ""
		}
		return string(word)
	}
	h.Host, h.Tag, h.PID = take(), take(), take()
	take() // MSGID
	b = structured(b)
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	h.Message = b
}

// structured skips the structured data: "-" or [id name="value"]...
func structured(b []byte) []byte {
	if rest, ok := bytes.CutPrefix(b, []byte("-")); ok {
		return bytes.TrimPrefix(rest, space)
	}
	rest := b
	for len(rest) > 0 && rest[0] == '[' {
		end := elementEnd(rest)
		if end < 0 {
			return b
		}
		rest = rest[end:]
	}
	return bytes.TrimPrefix(rest, space)
}

// elementEnd finds the end of one element, past "]" within quotes.
func elementEnd(b []byte) int {
	quoted := false
	for i := 1; i < len(b); i++ {
		switch {
		case b[i] == '\\' && quoted:
			i++
		case b[i] == '"':
			quoted = !quoted
		case b[i] == ']' && !quoted:
			return i + 1
		}
	}
	return -1
}
