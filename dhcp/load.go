package dhcp

import "time"

// Rate is how many DHCPREQUESTs of all clients a trace holds.
type Rate struct {
	Requests int64
	Peak     int64     // in the busiest minute
	PeakAt   time.Time // which began then
}

// V6 counts what is recognised and not judged.
type V6 struct {
	Messages, Advertisements int64
	First, Last              time.Time
}
