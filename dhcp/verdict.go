package dhcp

import (
	"time"

	"github.com/stackmend/stackmend"
)

// The verdicts: codes of findings, one for each client.
const (
	Healthy             = "healthy"
	ServerSilent        = "server-silent"
	ServerRefuses       = "server-refuses"
	PoolExhausted       = "pool-exhausted"
	RepliesLost         = "replies-lost"
	RequestsLost        = "requests-lost"
	InstanceDeaf        = "instance-deaf"
	TrafficStoppedFirst = "traffic-stopped-first"
	DuplicateMAC        = "duplicate-mac"
	ClientDied          = "client-died"
	WrongUDPChecksum    = "bad-checksum"
	Undetermined        = "undetermined"
)

// Codes of findings that are not of one client.
const (
	CodeCommonCause = "common-cause" // troubled clients share a host, bridge, server or minute
	CodeManyCauses  = "many-causes"  // they share nothing
	CodeRenewalLoad = "renewal-load" // what a lease time means for the server
	CodeCulprit     = "known-culprit"
	CodeNotJudged   = "not-judged" // DHCPv6 and router advertisements
	CodeUnseen      = "unseen"
)

// A Verdict is what is to be said of one client.
type Verdict struct {
	MAC        MAC
	Addr       IPv4     // the last one that it had or wanted; may be zero
	Server     IPv4     // that gave its lease; may be zero
	Instance   Instance // as far as known; its MAC may be zero
	Code       string
	Status     stackmend.Status // Fail: without a lease; Warn: it has recovered
	Confidence stackmend.Confidence
	Message    string
	Fix        string
	Evidence   []stackmend.Evidence // for, and against
	Break      time.Time            // of the first request that was not answered; zero: none
	Recovered  time.Time            // zero: not, as far as was seen
	Could      []string             // the verdicts that are left where what was seen does not decide
	Capture    []string             // what to capture to decide; empty: nothing is needed
}

// A Remedy is a change that may bring an instance's network back.
type Remedy string

// The remedies, mildest first.
const (
	LinkDownUp   Remedy = "link-down-up"  // libvirt: the cable is pulled and put back
	GuestRestart Remedy = "guest-restart" // the guest agent restarts the instance's networking
	PortDownUp   Remedy = "port-down-up"  // Neutron: the port's admin state
)

// Remedies returns what can help against the verdict, mildest first; none if
// nothing that is done to the instance can. A verdict of low confidence has
// none, nor has one beside which another is left.
func (v Verdict) Remedies() []Remedy {
	if v.Confidence < stackmend.Medium || v.Status != stackmend.Fail || len(v.Could) > 0 {
		return nil
	}
	switch v.Code {
	case InstanceDeaf, TrafficStoppedFirst:
		return []Remedy{LinkDownUp, GuestRestart, PortDownUp}
	case ClientDied:
		return []Remedy{LinkDownUp, GuestRestart} // some clients begin anew when the carrier comes back
	case RepliesLost, RequestsLost:
		return []Remedy{PortDownUp}
	}
	return nil
}
