//go:build !unix

package galera

import "os"

var cont = os.Kill
