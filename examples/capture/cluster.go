package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/internal/recording"
)

// cluster keeps every answer of Ceph, as ceph-check -record does, and what the
// check observes in them and on this host.
func cluster(ctx context.Context, s *settings, w *recording.Writer) error {
	host, err := ceph.ObserveHost(ctx, ceph.HostOptions{Between: 5 * time.Second})
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	seen := ceph.Observed{Host: host}
	if err := s.askCluster(ctx, w, &seen); err != nil {
		w.Unseen("ceph-check", fmt.Errorf("the cluster: %w", err))
	}
	return w.Snapshot("ceph-check", seen)
}

// askCluster records into a folder, and takes over what is in it.
func (s *settings) askCluster(ctx context.Context, w *recording.Writer, seen *ceph.Observed) error {
	conf := s.conf
	if conf == "" {
		conf = filepath.Join(s.root, "etc/ceph/ceph.conf")
	}
	if _, err := os.Stat(conf); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "capture-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	r, err := ceph.NewRecorder(ceph.CLI{Conf: conf, ID: s.id, Keyring: s.keyring}, root, time.Now())
	if err != nil {
		return err
	}
	seen.Cluster, err = ceph.Observe(ctx, r, ceph.Options{Timeout: 30 * time.Second})
	return errors.Join(err, answers(root, w))
}

// answers have no secrets any more: the recorder has removed them.
func answers(root *os.Root, w *recording.Writer) error {
	names, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, n := range names {
		b, err := root.ReadFile(n.Name())
		if err != nil {
			return err
		}
		if err := w.AddClean(recording.Entry{Name: "ceph/" + n.Name(), Source: "ceph"}, b); err != nil {
			return err
		}
	}
	return nil
}
