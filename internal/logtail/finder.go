package logtail

import (
	"bytes"
	"strings"
)

// A finder looks for a word by the one of its bytes that logs have least.
// [bytes.Index] looks for the first one, which may be in every word of a log.
type finder struct {
	word []byte
	rare byte // word[at]
	at   int
}

// common are the bytes of logs, those that come most often first.
const common = " e0t1oainrs2:l35dc46-8u9p7m.gfhybw/v[]k=,_x"

// rarity is the greater the less often logs have a byte.
func rarity(c byte) int {
	if i := strings.IndexByte(common, c); i >= 0 {
		return i
	}
	return len(common)
}

func newFinder(word string) finder {
	f := finder{word: []byte(word)}
	best := -1
	for i := range len(word) {
		if rank := rarity(word[i]); rank > best {
			best, f.at, f.rare = rank, i, word[i]
		}
	}
	return f
}

// patience is how many times in a row the rare byte may stand in other words:
// where it does not tell the word, looking for the whole is quicker.
const patience = 64

// index returns where the word stands first in b, -1 if it does not.
func (f *finder) index(b []byte) int {
	if len(f.word) == 0 {
		return 0
	}
	for from, vain := f.at, 0; from < len(b); from++ {
		i := bytes.IndexByte(b[from:], f.rare)
		if i < 0 {
			return -1
		}
		from += i
		if start := from - f.at; bytes.HasPrefix(b[start:], f.word) {
			return start
		}
		if i > 4*len(f.word) {
			vain = 0
		}
		if vain++; vain == patience {
			return after(from-f.at, bytes.Index(b[from-f.at:], f.word))
		}
	}
	return -1
}

// after is a place that was found from another one on.
func after(from, n int) int {
	if n < 0 {
		return -1
	}
	return from + n
}
