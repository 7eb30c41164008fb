package dhcp

import (
	"time"

	"github.com/stackmend/stackmend/internal/logtail"
)

// An Event is one message of DHCP, or something that a daemon said about it.
type Event struct {
	Time   time.Time // zero: not told
	Lease  time.Duration
	Number int64  // line or frame, from 1
	Reason string // of a refusal or an error, in the words of the log
	Before Before // what a capture held of the instance until then
	XID    uint32 // 0: not told; some logs have its bytes in the other order
	Addr   IPv4   // that is asked for or given
	Server IPv4
	Kind   Kind
	Cast   Cast
	Flags  Flags
	Doubt  logtail.Doubt
	Who    uint8 // which of the track's Names or ClientIDs asks, from 1; 0: not told
}

// Before is what a capture held of the instance before an event, in
// nanoseconds since 1970 (0: none) and in frames.
type Before struct {
	From, To             int64  // last unicast frame from and to it that was not DHCP, nor an ARP request
	ARPSince             int64  // its first ARP request since the last reply to it
	ARPAsked, ARPReplies uint32 // ARP requests from it, replies to it
}

// Kind is what an event is.
type Kind uint8

// The kinds: messages as of RFC 2131, then what logs tell beside them.
const (
	Discover Kind = iota + 1
	Offer
	Request
	Ack
	Nak
	Decline
	Release
	Inform
	Bound       // the client uses the address
	Expired     // the client's lease ran out
	GaveUp      // the client had no answer, and waits
	Died        // the client ended, or was killed
	Began       // a daemon started
	Ended       // a server stopped
	NoAddress   // the server has no address to give
	Ignored     // the server says that it does not answer this client
	BadChecksum // the client dropped answers for their UDP checksum
	Unreachable // ICMP: nobody listens at the server's port
	SendFailed  // the client could not send
)

var kindNames = [...]string{
	Discover: "DHCPDISCOVER", Offer: "DHCPOFFER", Request: "DHCPREQUEST", Ack: "DHCPACK", Nak: "DHCPNAK", Decline: "DHCPDECLINE",
	Release: "DHCPRELEASE", Inform: "DHCPINFORM", Bound: "bound", Expired: "expired", GaveUp: "gave up", Died: "client ended",
	Began: "started", Ended: "stopped", NoAddress: "no address", Ignored: "ignored", BadChecksum: "bad checksum",
	Unreachable: "port unreachable", SendFailed: "could not send",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) && k > 0 {
		return kindNames[k]
	}
	return "?"
}

// Asks reports whether a client waits for an answer to it.
func (k Kind) Asks() bool { return k == Discover || k == Request }

// Answers reports whether a server sends it.
func (k Kind) Answers() bool { return k == Offer || k == Ack || k == Nak }

// Cast is how a message was addressed.
type Cast uint8

// The casts. Servers' logs do not tell.
const (
	CastUnknown Cast = iota
	Unicast
	Broadcast
)

// Flags are what else was seen of a message.
type Flags uint8

// The flags.
const (
	WrongChecksum   Flags = 1 << iota // the UDP checksum is wrong
	PartialChecksum                   // left to the card: normal where it is sent, wrong to a client that does not know
	Truncated                         // the capture has its beginning alone
	Relayed                           // through a relay (giaddr)
	Tagged                            // within a VLAN
	Malformed                         // its options could not be read to their end
)
