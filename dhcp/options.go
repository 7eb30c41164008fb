package dhcp

import "time"

// Format is the program whose log it is.
type Format string

// The formats. Auto takes each line by the program that it names.
const (
	Auto     Format = ""
	Dnsmasq  Format = "dnsmasq"
	Dhcpd    Format = "dhcpd" // ISC
	Kea      Format = "kea"
	Dhclient Format = "dhclient" // ISC
	Dhcpcd   Format = "dhcpcd"
	Udhcpc   Format = "udhcpc" // busybox
	Networkd Format = "systemd-networkd"
	Console  Format = "console" // nova's console log: a client's, among the kernel's lines
)

// Point is the side whose log it is: ServerLog, or ClientLog.
func (f Format) Point() Point {
	switch f {
	case Dnsmasq, Dhcpd, Kea:
		return ServerLog
	}
	return ClientLog
}

// ReadOptions say how logs and captures are read.
type ReadOptions struct {
	// Now decides the year of time stamps without one: when the log was last
	// written. Logs need it.
	Now time.Time
	// Zone of time stamps that do not tell theirs. Nil: UTC.
	Zone *time.Location
	// Since leaves out what is told to be earlier. Zero: nothing.
	Since time.Time
	// MAC of the client whose log or capture it is, where it does not say so.
	MAC MAC
	// Boot is when the instance of a console log started: such logs tell the
	// time since then. Zero: their events have no time.
	Boot time.Time
	// MaxClients bounds the clients that are kept; zero: DefaultMaxClients.
	MaxClients int
}

// Limits of memory.
const (
	// DefaultMaxClients is what a zero ReadOptions.MaxClients means.
	DefaultMaxClients = 250_000
	// MaxEvents is how many events a track keeps; of more than 10,000 clients
	// each keeps FewEvents.
	MaxEvents = 128
	FewEvents = 16
)
