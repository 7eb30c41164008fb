package dhcp

import "math/rand/v2"

// A table finds what is kept of each MAC: tables of the language's own spend
// most of the time of reading on hashing six bytes.
type table struct {
	slots []slot // a power of two, at most three quarters of them used
	n     int
	salt  uint64 // so that nobody can choose MACs which collide
}

// A slot has the numbers of a MAC's client and flow; 0: none.
type slot struct {
	key          uint64 // zero: free
	client, flow uint32
}

func keyOf(m MAC) uint64 {
	return 1<<48 | uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 | uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5])
}

// find returns the slot of a key, or the free one where it would be.
func (t *table) find(key uint64) *slot {
	mask := uint64(len(t.slots) - 1)
	for i := (key * t.salt) >> 32; ; i++ {
		if s := &t.slots[i&mask]; s.key == key || s.key == 0 {
			return s
		}
	}
}

// touch reads the place where a MAC is looked for first.
func (t *table) touch(m MAC) int {
	if len(t.slots) == 0 {
		return 0
	}
	return int(t.slots[(keyOf(m)*t.salt)>>32&uint64(len(t.slots)-1)].key)
}

// get returns the numbers of a MAC.
func (t *table) get(m MAC) slot {
	if len(t.slots) == 0 {
		return slot{}
	}
	return *t.find(keyOf(m))
}

// put returns the slot of a MAC, which is good until the next put.
func (t *table) put(m MAC) *slot {
	if 4*t.n >= 3*len(t.slots) {
		t.grow()
	}
	s := t.find(keyOf(m))
	if s.key == 0 {
		s.key = keyOf(m)
		t.n++
	}
	return s
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]slot, max(64, 2*len(old)))
	t.salt = rand.Uint64() | 1
	for _, s := range old {
		if s.key != 0 {
			*t.find(s.key) = s
		}
	}
}
