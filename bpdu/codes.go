package bpdu

// The codes of findings.
const (
	// CodePortDisabled: a switch disabled a port because a BPDU came in.
	CodePortDisabled = "port-disabled-by-bpdu"
	// CodeSource: the instance that sends BPDUs, as far as can be told.
	CodeSource = "bpdu-source"
	// CodeSourceAmbiguous: several ports have, or may use, the source MAC.
	CodeSourceAmbiguous = "bpdu-source-ambiguous"
	// CodeSourceUnknown: the source MAC is no port's, or was not told.
	CodeSourceUnknown = "bpdu-source-unknown"
	// CodeCascade: a port was disabled after another, by the same sender.
	CodeCascade = "cascade"
	// CodeBondDown: all members of a bond lost carrier.
	CodeBondDown = "bond-down"
	// CodeTapUnprotected: an instance could send BPDUs to an uplink.
	CodeTapUnprotected = "tap-unprotected"
	// CodeNotApplicable: a port that a filter on this host does not reach.
	CodeNotApplicable = "not-applicable"
	// CodeUnseen: something that would matter could not be looked at.
	CodeUnseen = "unseen"
)
