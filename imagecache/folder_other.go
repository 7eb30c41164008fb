//go:build !linux

package imagecache

import (
	"io"
	"io/fs"
	"os"
)

// A folder is an open directory. os.Root keeps what is below it from leading
// out.
type folder struct{ root *os.Root }

func openFolder(name string) (folder, error) {
	r, err := os.OpenRoot(name)
	return folder{r}, err
}

func (f folder) sub(name string) (folder, error) {
	r, err := f.root.OpenRoot(name)
	return folder{r}, err
}

func (f folder) close() error { return f.root.Close() }

func (f folder) list(_ []byte, yield func(name []byte, typ fs.FileMode)) error {
	es, err := fs.ReadDir(f.root.FS(), ".")
	for _, e := range es {
		yield([]byte(e.Name()), e.Type())
	}
	return err
}

type file struct{ *os.File }

func (f folder) open(name string) (file, error) {
	g, err := f.root.Open(name)
	return file{g}, err
}

func (f file) head(b []byte) (int, error) {
	n, err := f.ReadAt(b, 0)
	if n > 0 || err == io.EOF {
		err = nil
	}
	return n, err
}

func (f file) stat() (fileInfo, error) {
	i, err := f.Stat()
	return infoOf(i), err
}

func (f folder) stat(name string) (fileInfo, error) {
	i, err := f.root.Lstat(name)
	return infoOf(i), err
}

func (f folder) readlink(name string) (string, error) { return f.root.Readlink(name) }

// infoOf knows neither inode nor owner here; nothing is changed on systems
// without them.
func infoOf(i fs.FileInfo) fileInfo {
	if i == nil {
		return fileInfo{}
	}
	return fileInfo{Links: 1, Size: i.Size(), Bytes: i.Size(), ModTime: i.ModTime(), Mode: i.Mode().Type(), Perm: uint32(i.Mode().Perm())}
}
