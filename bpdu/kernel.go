package bpdu

// TableName is the table that this package owns. Nothing else of the host's
// filters is touched.
const TableName = "stackmend_bpdu"

// A Family is the nftables family that filters stand in.
type Family string

// The families, the better first.
const (
	FamilyNetdev Family = "netdev" // at the ingress of each tap
	FamilyBridge Family = "bridge" // before every bridge, where the kernel has no netdev family
)

// target is what steps work on.
func (f Family) target() string { return "nft " + string(f) + " " + TableName }

// Kernel is the network stack of a host, or of one namespace of it.
type Kernel struct {
	// NetNS is an open file descriptor of a network namespace. Zero: that of
	// the process.
	NetNS int
}
