package imagecache

import "time"

// Removal is a line of a nova log that says that a base file was deleted.
type Removal struct {
	Host, Path string
	At         time.Time
	Line       string
}
