package consolelog

import (
	"errors"
	"fmt"
	"os"
)

// ErrNotRegular says that a log is no regular file.
var ErrNotRegular = errors.New("consolelog: not a regular file")

// regular closes whatever is not a regular file.
func regular(f *os.File) (*os.File, error) {
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		return f, nil
	}
	if err == nil {
		err = fmt.Errorf("%w: %s is %s", ErrNotRegular, f.Name(), info.Mode().Type())
	}
	return nil, errors.Join(err, f.Close())
}
