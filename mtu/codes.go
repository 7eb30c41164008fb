package mtu

// The codes of findings. They are never reworded.
const (
	CodeStackedVLAN           = "stacked-vlan"            // tag on tag, beyond what the wire takes or on the edge of it
	CodePathTooSmall          = "path-mtu-too-small"      // a path takes less than the MTU of the link it begins at
	CodeChildAboveParent      = "child-above-parent"      // a link has a larger MTU than the one it stands on
	CodeBondMembersDiffer     = "bond-members-differ"     // members of a bond disagree
	CodeBridgeLowered         = "bridge-lowered-by-port"  // a bridge has the MTU of its smallest port
	CodeTunnelWithoutHeadroom = "tunnel-without-headroom" // outer packets are larger than the link under the tunnel
	CodeNetworkAbovePath      = "network-mtu-above-path"  // a network's MTU is more than its path or its configuration gives
	CodeTagNotStripped        = "tag-not-stripped"        // a frame came to its end with a tag on it
	CodeBlackHole             = "black-hole"              // large packets vanish, and nobody says so
	CodeVLANInterfaceIsVLAN   = "vlan-interface-is-vlan"  // a setting puts VLANs on a VLAN
	CodeNetworkStale          = "network-mtu-stale"       // a network's stored MTU is less than today's configuration gives
	CodeConfigAboveLink       = "config-mtu-above-link"   // a configured MTU is more than a link's
	CodeUnderlayVersion       = "underlay-ip-version"     // neutron reckons with another IP version than the tunnels use
	CodePathNotSeen           = "path-not-seen"           // unknown: part of a path could not be seen
	CodeOtherSideNotSeen      = "other-side-not-seen"     // unknown: nobody looked beyond a port
	CodeContradiction         = "links-contradict"        // unknown: the list of links cannot be true
	CodeNothingObserved       = "nothing-observed"        // unknown: there is nothing to judge
	CodeLossy                 = "lossy"                   // packets of any size are lost
	CodeFiltered              = "no-answer"               // unknown: not even small packets are answered
	CodeTooBigTold            = "too-big-told"            // a router says which size it takes
	CodeNotDecided            = "probe-undecided"         // unknown: the probe could not tell loss from a limit
	CodeTraceNotSeen          = "packet-not-followed"     // unknown: the captures do not show enough
)
