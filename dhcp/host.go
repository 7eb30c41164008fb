package dhcp

// Host is what a compute node says of the known culprits.
type Host struct {
	Name   string
	Unseen []string
}
