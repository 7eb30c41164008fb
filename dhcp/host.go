package dhcp

// Host is what a compute node says of the known culprits.
type Host struct {
	Name   string
	Unseen []string
}

// Settings are what a server's log says of itself.
type Settings struct {
	Version string
	Ranges  []string
}
