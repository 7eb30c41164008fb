package bpdu

// TableName is the table of the netdev family that this package owns. Nothing
// else of the host's filters is touched.
const TableName = "stackmend_bpdu"

// Kernel is the network stack of a host, or of one namespace of it.
type Kernel struct {
	// NetNS is an open file descriptor of a network namespace. Zero: that of
	// the process.
	NetNS int
}
