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
