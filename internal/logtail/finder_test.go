package logtail

import (
	"bytes"
	"strings"
	"testing"
)

// TestFinder: a word is found where bytes.Index finds it, also where its
// rarest byte stands everywhere.
func TestFinder(t *testing.T) {
	for _, word := range []string{"DHCP", "dnsmasq", "qemu version: ", "aab", "a", " ", "option: 5", "%%"} {
		f := newFinder(word)
		for _, gap := range []int{0, 1, 2, 7, 500} {
			for _, fill := range []string{"x", "q", "D", "a", string(f.rare), word[:len(word)-1] + "!"} {
				text := []byte(strings.Repeat(strings.Repeat("-", gap)+fill, 3*patience) + word + fill + word[1:])
				for end := range min(len(text), 2*len(word)+4) {
					part := text[end/2 : len(text)-end]
					if got, want := f.index(part), bytes.Index(part, []byte(word)); got != want {
						t.Errorf("%q behind %q: at %d, want %d", word, fill, got, want)
					}
				}
			}
		}
	}
	if f := newFinder("dnsmasq"); f.rare != 'q' {
		t.Errorf("dnsmasq is looked for by %q", f.rare)
	}
}

// TestSieve: of several words the line of the first one is found, wherever it
// stands in a stride.
func TestSieve(t *testing.T) {
	for _, words := range [][]string{{"option: 5", "client provides name", "dnsmasq["}, {"dhclient", "dhcpcd", "udhcpc", "dhcpd"}, {"aaaaa", "aaaaaaaa"}, {"abcde", "bcdefgh", "errdisable"}} {
		var all [][]byte
		for _, w := range words {
			all = append(all, []byte(w))
		}
		s := newSieve(all)
		for i, w := range words {
			for before := range 24 {
				for _, fill := range []string{"-", "a", w[:len(w)-1] + "!", words[0][1:]} {
					text := strings.Repeat(fill, before) + "\n" + w + strings.Repeat("x", before%5) + "\n" + words[0]
					want := first(text, words)
					for _, text := range []string{text, text[:strings.Index(text, "\n")+1+len(w)]} {
						if got := s.index([]byte(text)); got < 0 || strings.Count(text[:got], "\n") != strings.Count(text[:want], "\n") || s.wordsAt(text[got:]) == 0 {
							t.Errorf("%q in %q: at %d, want the line of %d (word %d)", words, text, got, want, i)
						}
					}
				}
			}
			if got := s.index([]byte(strings.Repeat(w[1:]+"-"+w[:len(w)-1]+"-", 5))); got >= 0 && first(strings.Repeat(w[1:]+"-"+w[:len(w)-1]+"-", 5), words) < 0 {
				t.Errorf("%q is found where it is not, at %d", words, got)
			}
		}
	}
}

// first returns where the first of the words begins.
func first(text string, words []string) int {
	at := -1
	for _, w := range words {
		if i := strings.Index(text, w); i >= 0 && (at < 0 || i < at) {
			at = i
		}
	}
	return at
}

// wordsAt counts the words that a text begins with.
func (s *sieve) wordsAt(text string) (n int) {
	for _, w := range s.words {
		if strings.HasPrefix(text, string(w)) {
			n++
		}
	}
	return n
}
