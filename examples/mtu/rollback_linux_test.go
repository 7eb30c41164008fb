package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
)

// TestRollback runs the program in a network namespace of its own: what is not
// confirmed, and what was not finished because the program was killed, is set
// back; what is confirmed stays.
func TestRollback(t *testing.T) {
	lab.Need(t, "go", "ip", "sh")
	if os.Geteuid() != 0 {
		lab.Without(t, "network namespaces need root")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "mtu")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for name, script := range map[string]string{
		"not confirmed": `$MTU -set va=1600 -apply -confirm 2s -journal $J >$J.out 2>&1 || [ $? = 5 ]; is 1500`,
		"killed": `$MTU -set va=1600 -apply -confirm 60s -journal $J >$J.out 2>&1 & P=$!
until is 1600; do sleep 0.1; kill -0 $P; done; kill -9 $P; until is 1500; do sleep 0.1; done`,
		"confirmed": `$MTU -set va=1600 -confirm 60s -plan $J.plan >$J.out
sed -n 's/.*"id": "\([0-9a-f]*\)".*/\1/p' $J.plan >$J.confirm; $MTU -run $J.plan -apply -confirm 60s -journal $J >>$J.out 2>&1; is 1600`,
		"own link": `ip addr add 10.5.0.1/24 dev va; ip route add default via 10.5.0.2
! $MTU -set va=1600 -apply -confirm 5s -journal $J >$J.out 2>&1; grep -q 'default route' $J.out; is 1500`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("timeout", "120", "sh", "-ec", `is() { ip -o link show va | grep -q "mtu $1 "; }
ip link add va type veth peer name vb; ip link set va up; ip link set vb up
until ip -o link show va | grep -q LOWER_UP; do sleep 0.1; done
`+script)
			cmd.Env = append(os.Environ(), "MTU="+program, fmt.Sprintf("J=%s/journal", t.TempDir()), "SSH_CONNECTION=")
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
