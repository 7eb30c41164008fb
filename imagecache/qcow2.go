package imagecache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// headSize is how much of a file is read to know what it is. It holds the
// qcow2 header, its extensions and the backing file's name as qemu-img lays
// them out; what lies further is read on demand, up to the first cluster.
const headSize = 4096

// Header is what the head of an image says of other files. The layout is
// docs/interop/qcow2.txt of qemu v9.2.0.
type Header struct {
	Format        string // qcow, qcow2, raw, text, empty; "" if not known
	Version       uint32 // of qcow2
	Backing       string // name of the backing file as it stands there; "" if none
	BackingFormat string // "" if it does not say
	DataFile      string // name of the external data file; "" if none
	Encrypted     bool
}

// ErrImage says that a file calls itself an image of a kind that may refer to
// other files, and that what it refers to cannot be told.
var ErrImage = errors.New("imagecache: image cannot be read")

func bad(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrImage, fmt.Sprintf(format, a...))
}

const (
	extBackingFormat = 0xE2792ACA
	extDataFile      = 0x44415441

	incompatDataFile = 1 << 2
	incompatKnown    = 1<<5 - 1 // dirty, corrupt, data file, compression, extended L2

	maxName    = 1023      // of a backing file, as in qemu
	maxHeaders = 64 * 1024 // how far extensions are followed
)

var be = binary.BigEndian

// ReadHeader reads what the image in r says of other files. The error is
// compatible with errors.Is(err, ErrImage) if it is cut, damaged or of a kind
// that this package cannot read; other errors are those of r.
func ReadHeader(r io.ReaderAt) (Header, error) {
	head := make([]byte, headSize)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return Header{}, err
	}
	return parseHeader(head[:n], r)
}

// parseHeader is ReadHeader with the head already read. It reads from more
// only what lies behind the head.
func parseHeader(head []byte, more io.ReaderAt) (Header, error) {
	if !bytes.HasPrefix(head, []byte("QFI\xfb")) {
		return sniff(head)
	}
	if len(head) < 48 {
		return Header{}, bad("qcow2 header is cut after %d bytes", len(head))
	}
	switch v := be.Uint32(head[4:]); v {
	case 1:
		return parseQcow(head, more)
	case 2, 3:
		return parseQcow2(head, more, v)
	default:
		return Header{}, bad("qcow2 version %d is not known", v)
	}
}

// parseQcow reads the version of 2004, which has the same first fields.
func parseQcow(head []byte, more io.ReaderAt) (Header, error) {
	h := Header{Format: "qcow", Version: 1, Encrypted: be.Uint32(head[36:]) != 0}
	var err error
	h.Backing, err = backingName(head, more)
	return h, err
}

func parseQcow2(head []byte, more io.ReaderAt, version uint32) (Header, error) {
	h := Header{Format: "qcow2", Version: version}
	length, features, err := fixedPart(head, version)
	if err != nil {
		return Header{}, err
	}
	h.Encrypted = be.Uint32(head[32:]) != 0
	if h.Backing, err = backingName(head, more); err != nil {
		return Header{}, err
	}
	if err := h.extensions(head, more, int(length)); err != nil {
		return Header{}, err
	}
	if external := features&incompatDataFile != 0; external != (h.DataFile != "") {
		return Header{}, bad("qcow2 data file: feature bit %v, name %q", external, h.DataFile)
	}
	return h, nil
}

// fixedPart checks the fixed fields, so that what is not a qcow2 file is not
// taken for one without a backing file.
func fixedPart(head []byte, version uint32) (length uint32, features uint64, err error) {
	length = 72
	if version == 3 {
		if len(head) < 104 {
			return 0, 0, bad("qcow2 header is cut after %d bytes", len(head))
		}
		features, length = be.Uint64(head[72:]), be.Uint32(head[100:])
	}
	if len(head) < int(length) || length < 72 || version == 3 && length < 104 {
		return 0, 0, bad("qcow2 header says it has %d bytes, read %d", length, len(head))
	}
	if bits := be.Uint32(head[20:]); bits < 9 || bits > 21 {
		return 0, 0, bad("qcow2 cluster_bits is %d", bits)
	}
	if crypt := be.Uint32(head[32:]); crypt > 2 {
		return 0, 0, bad("qcow2 crypt_method %d is not known", crypt)
	}
	if unknown := features &^ incompatKnown; unknown != 0 {
		return 0, 0, bad("qcow2 incompatible features %#x are not known", unknown)
	}
	return length, features, nil
}

// backingName reads the name at backing_file_offset, of any version.
func backingName(head []byte, more io.ReaderAt) (string, error) {
	off, size := be.Uint64(head[8:]), be.Uint32(head[16:])
	if off == 0 && size == 0 {
		return "", nil
	}
	if off == 0 || size == 0 || size > maxName || off > 1<<21 {
		return "", bad("backing file name at %d has %d bytes", off, size)
	}
	b, err := span(head, more, int64(off), int(size))
	if err != nil {
		return "", err
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return "", bad("backing file name %q holds a NUL", b)
	}
	return string(b), nil
}

// extensions reads the header extensions, which end with type 0 or where the
// backing file's name begins.
func (h *Header) extensions(head []byte, more io.ReaderAt, off int) error {
	end := maxHeaders
	if h.Backing != "" {
		end = int(be.Uint64(head[8:]))
	}
	for off+8 <= end {
		b, err := span(head, more, int64(off), 8)
		if err != nil {
			if h.Version == 2 && h.Backing == "" {
				return nil // before extensions existed a file could end here
			}
			return err
		}
		kind, size := be.Uint32(b), int(be.Uint32(b[4:]))
		if kind == 0 {
			return nil
		}
		if size < 0 || off+8+size > end {
			return bad("qcow2 header extension %#x has %d bytes", kind, size)
		}
		if err := h.extension(head, more, kind, int64(off)+8, size); err != nil {
			return err
		}
		off += 8 + (size+7)&^7
	}
	if off > end || h.Backing == "" {
		return bad("qcow2 header extensions have no end")
	}
	return nil
}

func (h *Header) extension(head []byte, more io.ReaderAt, kind uint32, off int64, size int) error {
	if kind != extBackingFormat && kind != extDataFile {
		return nil
	}
	if size == 0 || size > maxName {
		return bad("qcow2 header extension %#x has %d bytes", kind, size)
	}
	b, err := span(head, more, off, size)
	if err != nil {
		return err
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return bad("qcow2 header extension %#x holds a NUL: %q", kind, b)
	}
	switch {
	case kind == extBackingFormat:
		h.BackingFormat = formatName(b)
	case h.DataFile != "":
		return bad("qcow2 names two data files")
	default:
		h.DataFile = string(b)
	}
	return nil
}

// formatName spares the two common names an allocation for every file.
func formatName(b []byte) string {
	switch string(b) {
	case "raw":
		return "raw"
	case "qcow2":
		return "qcow2"
	}
	return string(b)
}

// span returns n bytes at off, from the head where it has them.
func span(head []byte, more io.ReaderAt, off int64, n int) ([]byte, error) {
	if off+int64(n) <= int64(len(head)) {
		return head[off : off+int64(n)], nil
	}
	if len(head) < headSize { // the file ends here
		return nil, bad("cut: %d bytes at %d, the file has %d", n, off, len(head))
	}
	b := make([]byte, n)
	if got, err := more.ReadAt(b, off); got < n {
		if err != nil && err != io.EOF {
			return nil, err
		}
		return nil, bad("cut: %d of %d bytes at %d", got, n, off)
	}
	return b, nil
}
