package dbarchive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"
)

// A packer compresses saved API rows as the server's COMPRESS() does, so that
// people can read them with UNCOMPRESS(body): the length in four bytes, the
// lowest first, and a zlib stream.
type packer struct {
	buf bytes.Buffer
	z   *zlib.Writer
}

func newPacker() *packer {
	p := &packer{}
	p.z, _ = zlib.NewWriterLevel(&p.buf, zlib.BestSpeed) // the level exists
	return p
}

// pack returns what stays valid until the next call.
func (p *packer) pack(b []byte) []byte {
	p.buf.Reset()
	p.buf.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(b))))
	p.z.Reset(&p.buf)
	p.z.Write(b) // into memory: it cannot fail
	p.z.Close()
	return p.buf.Bytes()
}

// maxPacked bounds what is unpacked: rows of the API database hold 64 KiB in
// each of their texts, request specs 16 MiB.
const maxPacked = 64 << 20

func unpack(b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, fmt.Errorf("dbarchive: a saved row of %d bytes is not compressed", len(b))
	}
	n := binary.LittleEndian.Uint32(b)
	if n > maxPacked {
		return nil, fmt.Errorf("dbarchive: a saved row claims to have %d bytes", n)
	}
	z, err := zlib.NewReader(bytes.NewReader(b[4:]))
	if err != nil {
		return nil, fmt.Errorf("dbarchive: a saved row: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(z, int64(n)+1))
	if err == nil && len(out) != int(n) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("dbarchive: a saved row: %w", err)
	}
	return out, nil
}
