package dhcp

import "math/rand/v2"

// A table finds what is kept of each MAC: tables of the language's own spend
// most of the time of reading on hashing six bytes.
type table[T any] struct {
	slots []slot[T] // a power of two, at most half of them used
	all   []*T      // in the order in which they came
	salt  uint64    // so that nobody can choose MACs which collide
}

type slot[T any] struct {
	key  uint64 // zero: free
	item *T
}

func keyOf(m MAC) uint64 {
	return 1<<48 | uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 | uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5])
}

// find returns the slot of a key, or the free one where it would be.
func (t *table[T]) find(key uint64) *slot[T] {
	mask := uint64(len(t.slots) - 1)
	for i := (key * t.salt) >> 32; ; i++ {
		if s := &t.slots[i&mask]; s.key == key || s.key == 0 {
			return s
		}
	}
}

// touch reads the place where a MAC is looked for first.
func (t *table[T]) touch(m MAC) int {
	if len(t.slots) == 0 {
		return 0
	}
	return int(t.slots[(keyOf(m)*t.salt)>>32&uint64(len(t.slots)-1)].key)
}

// get returns what is kept of a MAC; nil: nothing.
func (t *table[T]) get(m MAC) *T {
	if len(t.slots) == 0 {
		return nil
	}
	return t.find(keyOf(m)).item
}

// put keeps an item of a MAC that has none.
func (t *table[T]) put(m MAC, item *T) {
	if 2*len(t.all) >= len(t.slots) {
		t.grow()
	}
	*t.find(keyOf(m)) = slot[T]{keyOf(m), item}
	t.all = append(t.all, item)
}

func (t *table[T]) grow() {
	old := t.slots
	t.slots = make([]slot[T], max(64, 2*len(old)))
	t.salt = rand.Uint64() | 1
	for _, s := range old {
		if s.key != 0 {
			*t.find(s.key) = s
		}
	}
}
