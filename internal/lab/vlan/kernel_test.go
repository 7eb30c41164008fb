package vlan

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	for _, p := range Programs() {
		if _, err := exec.LookPath(p); err != nil {
			t.Skip(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	k := Kernel{Modules: []string{"8021q", "dummy"}}
	out, status, err := k.Run(ctx, t.TempDir(), "sh", "-c",
		"ip link add dum0 type dummy && ip link add link dum0 name v7 type vlan id 7 && echo it\\'s $VMTEST && exit 3")
	if err != nil || status != 3 || !strings.Contains(string(out), "it's uml") {
		t.Errorf("status %d, %v: %s", status, err, out)
	}
}
