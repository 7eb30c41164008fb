package logtail

import (
	"bytes"
	"encoding/binary"
)

// A seeker finds words in a text: it returns a place in the first line that has
// one, -1 if none has.
type seeker interface{ index(b []byte) int }

// seekers looks for several long words at once, and for others one by one. A
// word with the end of a line in it may begin in a line before the one that
// another stands in: these too.
func seekers(words [][]byte, plain bool) (all []seeker) {
	var long [][]byte
	for _, w := range words {
		if plain && len(w) >= shortest {
			long = append(long, w)
			continue
		}
		f := newFinder(string(w))
		all = append(all, &f)
	}
	if len(long) == 1 {
		f := newFinder(string(long[0]))
		return append(all, &f)
	}
	if len(long) > 1 {
		all = append(all, newSieve(long))
	}
	return all
}

// A sieve looks for several words at once. It looks at a few bytes in every
// stride alone: whatever word stands there, one of so many of its parts as a
// stride is long begins at a place that is looked at.
type sieve struct {
	words  [][]byte
	parts  []part
	size   int    // of a part, in bytes
	mask   uint32 // that many bytes of the first
	stride int
	may    [1 << sieveBits]bool // whether some part has this hash
}

// A part is a few bytes of a word, and where they stand in it.
type part struct {
	bytes    uint32
	word, at int
}

const sieveBits = 13

// shortest is the length of the words that a sieve is worth its while for.
const shortest = 5

// newSieve returns a sieve for words of the shortest length or longer.
func newSieve(words [][]byte) *sieve {
	least := len(words[0])
	for _, w := range words {
		least = min(least, len(w))
	}
	s := &sieve{words: words, size: 3}
	if least >= 7 {
		s.size = 4
	}
	s.mask = uint32(1<<(8*s.size) - 1)
	s.stride = min(least-s.size+1, 8)
	for i, w := range words {
		from := rarest(w, s.stride+s.size-1)
		for at := from; at < from+s.stride; at++ {
			p := part{s.load(w[at:]), i, at}
			s.parts = append(s.parts, p)
			s.may[hash(p.bytes)] = true
		}
	}
	return s
}

// rarest returns where the n bytes of a word begin that logs have least.
func rarest(word []byte, n int) (from int) {
	best := -1
	for i := 0; i+n <= len(word); i++ {
		sum := 0
		for _, c := range word[i : i+n] {
			sum += rarity(c)
		}
		if sum > best {
			best, from = sum, i
		}
	}
	return from
}

func hash(x uint32) uint32 { return x * 0x9e3779b1 >> (32 - sieveBits) }

// load returns a part as a number.
func (s *sieve) load(b []byte) (x uint32) {
	for i := range s.size {
		x |= uint32(b[i]) << (8 * i)
	}
	return x
}

// index returns where a word stands in b, -1 if none does. No word ends before
// that one begins.
func (s *sieve) index(b []byte) int {
	i, mask, stride := 0, s.mask, s.stride
	for ; i+4 <= len(b); i += stride {
		x := binary.LittleEndian.Uint32(b[i:]) & mask
		if s.may[hash(x)] {
			if at := s.wordAt(b, i, x); at >= 0 {
				return at
			}
		}
	}
	if i+s.size <= len(b) {
		return s.wordAt(b, i, s.load(b[i:]))
	}
	return -1
}

// wordAt returns where a word stands whose part is at i.
func (s *sieve) wordAt(b []byte, i int, x uint32) int {
	for _, p := range s.parts {
		if p.bytes == x && i >= p.at && bytes.HasPrefix(b[i-p.at:], s.words[p.word]) {
			return i - p.at
		}
	}
	return -1
}
