package librados

import "time"

// Options say how to connect.
type Options struct {
	Conf    string // a ceph.conf; empty: the default places
	Cluster string // empty: "ceph"
	ID      string // the user without "client."; empty: "admin"
	Keyring string // empty: what the configuration says
	// Calls that may be under way at a time, given up ones included. 0: 32.
	Calls int
	// OSDTimeout ends a command to an OSD within librados, so that given up
	// calls end some time. 0: a minute.
	OSDTimeout time.Duration
}
