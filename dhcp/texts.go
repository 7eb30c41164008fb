package dhcp

import "encoding/binary"

// texts are many short texts in a few pieces of memory.
type texts struct{ all [][]byte }

const (
	textsBits = 16
	textsLen  = 1 << textsBits // of a piece
)

// put keeps a text and returns what at finds it by; 0: there is no room.
func (t *texts) put(text []byte) uint32 {
	last := len(t.all) - 1
	if last < 0 || len(t.all[last])+2+len(text) > textsLen {
		if last++; last == 1<<(32-textsBits) {
			return 0
		}
		t.all = append(t.all, make([]byte, 1, textsLen)) // 0 is the place of none
	}
	piece := t.all[last]
	at := uint32(last<<textsBits | len(piece))
	t.all[last] = append(binary.LittleEndian.AppendUint16(piece, uint16(len(text))), text...)
	return at
}

func (t *texts) at(i uint32) []byte {
	b := t.all[i>>textsBits][i%textsLen:]
	return b[2 : 2+binary.LittleEndian.Uint16(b)]
}
