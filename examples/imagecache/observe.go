package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/imagecache"
)

// observe reads the tree, nova.conf, the logs, and asks for the fleet.
func (t *tool) observe(ctx context.Context) error {
	src, err := t.sources(ctx)
	if err != nil {
		return err
	}
	t.seen, err = imagecache.Observe(ctx, t.site, src)
	return err
}

func (t *tool) sources(ctx context.Context) (src imagecache.Sources, err error) {
	if err := t.prepare(); err != nil {
		return src, err
	}
	if t.novaConf != "" {
		if src.Config, err = t.config(); err != nil {
			return src, err
		}
		t.site.Subdir = src.Config.Subdir
	}
	if src.Fleet, src.Glance, err = t.fleet(ctx); err != nil {
		return src, err
	}
	for _, path := range t.novaLogs {
		if src.Removals, err = removals(ctx, src.Removals, path); err != nil {
			return src, err
		}
	}
	return src, nil
}

func (t *tool) config() (imagecache.Config, error) {
	path, err := filepath.Abs(t.novaConf)
	if err != nil {
		return imagecache.Config{}, err
	}
	c, err := imagecache.ReadConfig(os.DirFS("/"), strings.TrimPrefix(path, "/"))
	if errors.Is(err, fs.ErrNotExist) {
		return c, cli.Usage("-nova-conf: %v", err)
	}
	return c, err
}

// removals reads a log, or the logs of a directory.
func removals(ctx context.Context, have []imagecache.Removal, path string) ([]imagecache.Removal, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, cli.Usage("-nova-log: %v", err)
	}
	logs := os.DirFS(path)
	if !info.IsDir() {
		logs = only{os.DirFS(filepath.Dir(path)), filepath.Base(path)}
	}
	for r, err := range imagecache.LogRemovals(ctx, logs, time.Local) {
		if err != nil {
			return nil, fmt.Errorf("-nova-log %s: %w", path, err)
		}
		have = append(have, r)
	}
	return have, nil
}

// only is a folder in which nothing but one file is seen.
type only struct {
	fs.FS
	name string
}

// ReadDir lists the one file.
func (o only) ReadDir(string) ([]fs.DirEntry, error) {
	info, err := fs.Stat(o.FS, o.name)
	if err != nil {
		return nil, err
	}
	return []fs.DirEntry{fs.FileInfoToDirEntry(info)}, nil
}
