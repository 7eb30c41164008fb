package ceph

import (
	"os"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
)

func TestUp(t *testing.T) {
	lab.Need(t, Programs()...)
	dir, err := os.MkdirTemp("", "c")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c, err := Up(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Rados("-p", "test", "put", "one", c.Conf); err != nil {
		t.Error(err)
	}
	if err := c.Down(); err != nil {
		t.Error(err)
	}
}
