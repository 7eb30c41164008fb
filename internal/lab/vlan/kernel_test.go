package vlan

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
)

func TestRun(t *testing.T) {
	lab.Need(t, Programs()...)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	k := Kernel{Modules: []string{"8021q", "dummy"}}
	out, status, err := k.Run(ctx, t.TempDir(), "sh", "-c",
		"ip link add dum0 type dummy && ip link add link dum0 name v7 type vlan id 7 && echo it\\'s $VMTEST && exit 3")
	if err != nil || status != 3 || !strings.Contains(string(out), "it's uml") {
		t.Errorf("status %d, %v: %s", status, err, out)
	}
}
