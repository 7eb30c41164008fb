package ceph

import (
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
)

// Shared is a cluster that the tests of a package share: the first that needs
// it starts it, and TestMain ends it. The zero value is ready.
type Shared struct {
	once    sync.Once
	cluster *Cluster
	dir     string
	err     error
}

// Get returns the running cluster.
func (s *Shared) Get(t testing.TB) *Cluster {
	t.Helper()
	lab.Need(t, Programs()...)
	s.once.Do(func() {
		if s.dir, s.err = os.MkdirTemp("", "c"); s.err == nil {
			s.cluster, s.err = Up(s.dir)
		}
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.cluster
}

// Down ends the cluster, if one was started, and removes its folder.
func (s *Shared) Down() error {
	var err error
	if s.cluster != nil {
		err = s.cluster.Down()
	}
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}
