package dhcp

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// A Snapshot is all that was observed. Any side may be missing: Check says only
// what follows from the rest.
type Snapshot struct {
	Subject   string    // the site, host or instance, for people
	Taken     time.Time // when it was observed; zero: not known, and leases are not compared with it
	Traces    []*Trace
	Until     time.Time  // up to when the sides were being written; zero: to what is last in them
	Instances []Instance // what is known of the instances; may be empty. Of several with one MAC the last that tells something counts
	Host      *Host      // known culprits of the compute node; nil: not looked at
	Only      []MAC      // judge these alone; empty: all
	Unseen    []string
}

// A Point is where a trace was taken.
type Point string

// The points, from the client to the server.
const (
	ClientLog     Point = "client-log"
	ClientCapture Point = "client-capture" // within the instance
	TapCapture    Point = "tap-capture"    // on the compute node, at the instance's tap
	ServerCapture Point = "server-capture"
	ServerLog     Point = "server-log"
)

// Capture reports whether the point sees frames.
func (p Point) Capture() bool { return p == ClientCapture || p == TapCapture || p == ServerCapture }

// Client reports whether the point is within the instance.
func (p Point) Client() bool { return p == ClientLog || p == ClientCapture }

// Server reports whether the point is at the server.
func (p Point) Server() bool { return p == ServerLog || p == ServerCapture }

// A Trace is what one point saw of all clients, in one log with its rotated
// files, or in one capture.
type Trace struct {
	Name        string // the file
	Point       Point
	Format      Format // of a log
	From, Until time.Time
	Tracks      []*Track // sorted by MAC
	Daemon      []Event  // the server's or client's start and end; not of one client
	Server      Settings // what a server's log says of itself
	Rate        Rate     // DHCPREQUESTs of all clients
	V6          V6       // DHCPv6 and router advertisements, which are not judged
	Units       int64    // lines with a word of DHCP, or frames
	Unread      int64    // of those, what could not be read
	Unseen      []string // damaged files, limits reached
}

// A Track is what one point saw of one client.
type Track struct {
	MAC       MAC      // zero: a client's log that does not tell it
	ClientIDs []string // option 61, in hexadecimal
	Names     []string // host names that the client gave
	Host      string   // of a client's log: the host that the line names
	Interface string   // of the server's or client's log; the last one
	Lease     Lease    // the last one that was told
	Events    Events
	Left      int64    // events that were not kept
	Traffic   *Traffic // what was not DHCP; nil: nothing, or no capture
	// Heard: a capture within an instance or at its tap has broadcasts of
	// several clients, and nothing tells whose it is: this one may be another
	// instance's.
	Heard bool
}

// traffic is what was not DHCP, if anything was.
func (t *Track) traffic() Traffic {
	if t.Traffic == nil {
		return Traffic{}
	}
	return *t.Traffic
}

// A Lease is what a server gave.
type Lease struct {
	Addr, Server IPv4
	At           time.Time     // when it was given
	Time, T1, T2 time.Duration // zero: not told
}

// longest is how long the lease lasts at most: dhclient's log tells when it
// renews, which is after 0.4 of the lease at the earliest.
func (l Lease) longest() time.Duration {
	if l.Time == 0 {
		return l.T1 * 5 / 2
	}
	return l.Time
}

// Traffic is what a capture holds of an instance beside DHCP. From and To are
// unicast frames. ARP requests of the instance are kept apart: a client that
// cannot renew sends them; so are its multicasts: a deaf instance sends them.
type Traffic struct {
	First            time.Time
	LastFrom, LastTo time.Time // zero: none
	LastSent         time.Time // anything from the instance, DHCP and multicast as well
	From, To         int64     // frames
	ARPAsked         int64     // ARP requests from the instance
	ARPReplies       int64     // to it
	Bytes            int64     // both ways
	Load             []Load    // in the order of time, of equal length
}

// Load is the traffic of a while.
type Load struct {
	Since time.Time
	For   time.Duration
	Bytes int64
}

// An Instance is what the cloud knows of a client. All but MAC may be empty.
type Instance struct {
	MAC    MAC    `json:"mac"`
	ID     string `json:"id"`   // UUID of the instance
	Name   string `json:"name"` // for people
	Domain string `json:"domain"`
	Host   string `json:"host"`
	Bridge string `json:"bridge"`
	Tap    string `json:"tap"`
	Port   string `json:"port"` // Neutron's UUID
}

// MAC is a hardware address of Ethernet. The zero value: not told.
type MAC [6]byte

// ParseMAC reads aa:bb:cc:dd:ee:ff, with - or without any separator as well.
func ParseMAC(text string) (MAC, error) {
	b, err := hex.DecodeString(strings.NewReplacer(":", "", "-", "", ".", "").Replace(text))
	if err != nil || len(b) != 6 {
		return MAC{}, fmt.Errorf("dhcp: %q is not a MAC address", text)
	}
	return MAC(b), nil
}

func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// MarshalText writes the form of String.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what ParseMAC reads.
func (m *MAC) UnmarshalText(b []byte) (err error) {
	*m, err = ParseMAC(string(b))
	return err
}

// IPv4 is an address; zero: not told.
type IPv4 [4]byte

func (a IPv4) String() string { return netip.AddrFrom4(a).String() }
