package dhcp

import "time"

// A Conversation is what all sides saw of one client, on one clock: that of
// the server's side where there is one.
type Conversation struct {
	MAC   MAC
	Views []View // from the client to the server
	Lease Lease
	Good  time.Time // the last answer that the client took; zero: none seen
	Break time.Time // the first request after it that was not answered; zero: none
}

// A View is a track on the clock of the conversation.
type View struct {
	Point  Point
	Source string        // the name of the trace
	Offset time.Duration // what was added to its times
	Doubt  time.Duration // by how much that may be wrong
	Told   bool          // the offset follows from the conversation; else the clocks are taken as they are
	*Track
	Events []Event // with the offset added
	Until  time.Time
}

// Converse rebuilds the conversation of each client, sorted by MAC.
func Converse(s *Snapshot) []Conversation { return nil }
