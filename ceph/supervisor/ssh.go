package supervisor

import (
	"context"
	"regexp"
	"strings"

	"github.com/stackmend/stackmend/ceph/internal/child"
)

// A Route leads to hosts other than this one.
type Route interface {
	// Argv is the program that runs argv on a host, hands on what it prints,
	// ends with its status, or with 255 if what became of it is not known, and
	// ends it when its own stdin ends. It refuses a host that calls itself by
	// another name (uname -n), for OSDs are known by that.
	Argv(host string, argv []string) ([]string, error)
}

// On returns a context whose programs run on another host. [Systemd] and
// [Container] work there as they do here; [Process] refuses, for it looks at
// the processes of this host.
func On(ctx context.Context, r Route, host string) context.Context {
	return child.WithRoute(ctx, func(argv []string) ([]string, error) { return r.Argv(host, argv) })
}

// SSH is the route of OpenSSH's ssh(1). It never asks for anything
// (BatchMode): keys, users, addresses and host keys are those of ssh_config(5).
// The login shell there is a POSIX one, and there is setsid(1) of util-linux.
type SSH struct {
	// Command is ssh and options of it: "ssh", "-F", "/etc/stackmend/ssh_config".
	// Empty: "ssh".
	Command []string
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$`)

// overThere runs its arguments but the first on the host that the first names.
// The end of stdin, which is the connection's, is the end of the program and of
// its group: it does not go on when nobody sees it any more.
const overThere = `[ "$(uname -n)" = "$1" ] || { echo "this is $(uname -n), not $1" >&2; exit 254; }
shift; exec 3<&0
setsid "$@" </dev/null 3<&- & p=$!
{ cat <&3; kill -KILL -$p; kill -KILL $p; } >/dev/null 2>&1 & c=$!
wait $p; s=$?
kill $c 2>/dev/null
exit $s`

// Argv returns the command line of ssh.
func (s SSH) Argv(host string, argv []string) ([]string, error) {
	if !hostName.MatchString(host) {
		return nil, refuse("%q is not the name of a host", host)
	}
	out := s.Command
	if len(out) == 0 {
		out = []string{"ssh"}
	}
	out = append(out[:len(out):len(out)], "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15",
		"-o", "ServerAliveCountMax=3", "-o", "ClearAllForwardings=yes", "-o", "EscapeChar=none", "--", host)
	words := []string{"exec", "sh", "-c", quote(overThere), "stackmend", host}
	for _, a := range argv {
		if strings.ContainsRune(a, 0) {
			return nil, refuse("%q is not an argument", a)
		}
		words = append(words, quote(a))
	}
	return append(out, strings.Join(words, " ")), nil
}

// quote makes one word of a shell's of any text.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
