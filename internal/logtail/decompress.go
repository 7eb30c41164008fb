package logtail

import (
	"io"
)

// Decompress returns what r holds, without gzip, zstd or bzip2 if it begins
// like one of them: for files that are not of lines. Closing it does not close
// r.
func Decompress(r io.Reader, name string) (io.ReadCloser, error) {
	in, err := decompress(&input{name: name, Reader: r, close: func() error { return nil }})
	if err != nil {
		return nil, err
	}
	return plain{in}, nil
}

// plain is an input as an io.ReadCloser.
type plain struct{ *input }

func (p plain) Close() error { return p.close() }
