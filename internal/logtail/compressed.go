package logtail

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// ErrCompression: the file is compressed by a method that is not read here.
var ErrCompression = errors.New("logtail: compression not supported")

// maxWindow bounds what a zstd file may make us allocate, in bytes: the window
// of "zstd --long".
const maxWindow = 128 << 20

// decompress looks at the first bytes of an input, not at its name: a rotated
// file may not be compressed yet.
func decompress(in *input) (*input, error) {
	b := bufio.NewReaderSize(in.Reader, 64<<10)
	magic, err := b.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("%s: %w", in.name, err), in.close())
	}
	in.Reader = b
	switch {
	case bytes.HasPrefix(magic, []byte("\x1f\x8b")):
		err = in.gunzip(b)
	case bytes.HasPrefix(magic, []byte("\x28\xb5\x2f\xfd")):
		err = in.unzstd(b)
	case bytes.HasPrefix(magic, []byte("BZh")):
		in.Reader = bzip2.NewReader(b)
		return in, nil
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		err = fmt.Errorf("%w: xz", ErrCompression)
	default:
		return in, nil
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", in.name, err), in.close())
	}
	return in, nil
}

func (in *input) gunzip(b *bufio.Reader) error {
	z, err := gzip.NewReader(b)
	in.Reader = z
	return err
}

func (in *input) unzstd(b *bufio.Reader) error {
	z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	in.Reader = z
	file := in.close
	in.close = func() error { z.Close(); return file() }
	return nil
}
