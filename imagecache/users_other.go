//go:build !linux

package imagecache

// readUsers cannot see who has files open here.
func (s *Snapshot) readUsers() {
	s.Hidden = "open files are seen on Linux alone"
	s.UsersUnseen = "open files are seen on Linux alone"
}
