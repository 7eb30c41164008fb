// Package recording is the archive in which the examples keep what they have
// observed, for a colleague, a bug report or a test: a tar.gz that any program
// can open. It holds one JSON file for each check, and whatever else was
// collected. The last entry is the manifest.
package recording

import "time"

// Schema is the version of the archive's form.
const Schema = 1

// ManifestName is the entry that says what the archive holds.
const ManifestName = "manifest.json"

// Bounds of an archive. What is read back is untrusted.
const (
	MaxEntry   = 256 << 20 // bytes of one entry
	MaxTotal   = 1 << 30   // bytes of all
	MaxEntries = 10_000
)

// A Manifest says what an archive holds and what it lacks.
type Manifest struct {
	Schema  int       `json:"schema"`
	Made    time.Time `json:"made"`
	Host    string    `json:"host"`
	Entries []Entry   `json:"entries"`
	Unseen  []string  `json:"unseen,omitempty"` // what could not be collected, and why
}

// An Entry is one file of an archive.
type Entry struct {
	Name    string `json:"name"`              // in the archive
	Source  string `json:"source,omitempty"`  // where it is from
	Bytes   int64  `json:"bytes"`             // in the archive
	Cut     int64  `json:"cut,omitempty"`     // bytes of its beginning that were left out
	Removed int    `json:"removed,omitempty"` // secrets
}

// Secrets is how many were removed from all entries.
func (m *Manifest) Secrets() (n int) {
	for _, e := range m.Entries {
		n += e.Removed
	}
	return n
}

// SnapshotName is the entry with what a check has observed.
func SnapshotName(check string) string { return check + ".json" }
