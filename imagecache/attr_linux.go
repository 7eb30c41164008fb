package imagecache

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const selinux = "security.selinux"

// label returns the SELinux label; "" where there is none.
func (f file) label() (string, error) {
	b := make([]byte, 4096)
	n, err := unix.Fgetxattr(f.fd, selinux, b)
	switch err {
	case nil:
		return string(b[:n]), nil
	case unix.ENODATA, unix.ENOTSUP:
		return "", nil
	}
	return "", os.NewSyscallError("fgetxattr "+selinux, err)
}

// likeness gives the copy the original's owner, mode and label. Its time is
// now: with the old one nova's cleaner would delete it again at its next pass.
func likeness(dst, src file, i fileInfo) error {
	if err := unix.Fchown(dst.fd, int(i.UID), int(i.GID)); err != nil {
		return os.NewSyscallError("fchown", err)
	}
	if err := unix.Fchmod(dst.fd, i.Perm); err != nil { // after the owner, which clears bits of it
		return os.NewSyscallError("fchmod", err)
	}
	want, err := src.label()
	if err != nil {
		return err
	}
	has, err := dst.label()
	if err != nil || want == "" || has == want {
		return err
	}
	if err := unix.Fsetxattr(dst.fd, selinux, []byte(want), 0); err != nil {
		return fmt.Errorf("imagecache: label %q: %w", want, os.NewSyscallError("fsetxattr", err))
	}
	return nil
}
