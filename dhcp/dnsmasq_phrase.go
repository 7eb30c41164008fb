package dhcp

// A phrase is what dnsmasq says again and again behind the transaction, and
// what it means.
type phrase struct {
	text   []byte
	worded bool // said behind such a head
	means  meaning
	times  times
}

type meaning uint8

const (
	unusual meaning = iota // to be read the long way
	silent                 // no word that lines are looked for by
	idle                   // nothing that is kept
	unread                 // nothing that is known
	timing                 // a time of the lease that was just given
)

// longestPhrase bounds what is remembered, in bytes.
const longestPhrase = 200

// takePhrase reads what is not a message.
func (s *scanner) takePhrase(text []byte) bool {
	p := &s.phrases[(len(text)*31+int(text[len(text)/2])*7+int(text[len(text)-1]))%len(s.phrases)]
	if p.worded != s.worded || string(p.text) != string(text) {
		if name := text; prefix(&name, "client provides name: ") {
			r := s.next()
			r.is, r.name = saysName, r.span(name, len(name))
			s.add()
			return true
		}
		if len(text) > longestPhrase {
			return false
		}
		*p = phrase{text: append(p.text[:0], text...), worded: s.worded}
		s.classify(p)
	}
	switch p.means {
	case unusual:
		return false
	case silent:
		return true
	}
	last := len(s.records) - 1
	if last < 0 || s.moment || s.records[last].is == saysLine {
		s.next().is = saysTime
		s.add()
		last++
	}
	s.records[last].count(p)
	return true
}

// count notes what a phrase behind the record tells.
func (r *record) count(p *phrase) {
	r.units++
	switch p.means {
	case unread:
		r.unread++
	case timing:
		r.told.tell(p.times)
	}
}

// classify finds what a phrase means.
func (s *scanner) classify(p *phrase) {
	text := p.text
	if !p.worded && !s.hasWord(text) {
		p.means = silent
		return
	}
	switch {
	case prefix(&text, "sent size:"):
		p.means = idle
		lease := leaseOption(text)
		if p.times = lease.times(); p.times != (times{}) {
			p.means = timing
		}
	case prefix(&text, "available DHCP"), prefix(&text, "tags: "):
		p.means = idle
	case prefix(&text, "next server: "), prefix(&text, "requested options: "), prefix(&text, "vendor class: "), prefix(&text, "bootfile name: "):
		p.means = unread
	}
}
