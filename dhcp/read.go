package dhcp

import (
	"context"
	"errors"
	"io"
	"io/fs"
)

// ReadLog reads a log of one client or of one server from r, plain or
// compressed. The error is of r, with what was read until then.
func ReadLog(ctx context.Context, r io.Reader, name string, f Format, o ReadOptions) (*Trace, error) {
	return nil, errors.ErrUnsupported
}

// ReadLogFiles reads a log with its rotated files, oldest first. The error is
// compatible with errors.Is and fs.ErrNotExist if there is none; files of the
// set that cannot be read are in Trace.Unseen.
func ReadLogFiles(ctx context.Context, fsys fs.FS, path string, f Format, o ReadOptions) (*Trace, error) {
	return nil, errors.ErrUnsupported
}

// ReadCapture reads a pcap or pcapng file, plain or compressed, that was taken
// at the point.
func ReadCapture(ctx context.Context, r io.Reader, name string, at Point, o ReadOptions) (*Trace, error) {
	return nil, errors.ErrUnsupported
}
