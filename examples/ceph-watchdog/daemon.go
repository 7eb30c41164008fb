package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/librados"
	"github.com/stackmend/stackmend/ceph/supervisor"
	"github.com/stackmend/stackmend/ceph/watchdog"
	"github.com/stackmend/stackmend/examples/cli"
)

// daemon watches until it is told to end.
func (s *settings) daemon(ctx context.Context, std cli.Streams) (err error) {
	log := slog.New(slog.NewTextHandler(std.Err, nil))
	held, release, err := stackmend.FileLock(s.lock).Acquire(ctx, name)
	if err != nil {
		return err
	}
	defer release()
	if err := stayInMemory(); err != nil {
		log.Warn("this process may be paged out or killed", "error", err)
	}
	w, done, err := s.watch(held, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	log.Info("watching", "apply", s.apply, "last resort", s.lastResort)
	notify(std.Getenv("NOTIFY_SOCKET"), "READY=1\nSTATUS=watching")
	defer notify(std.Getenv("NOTIFY_SOCKET"), "STOPPING=1")
	written := time.Time{}
	w.OnPass = func(r watchdog.Report) {
		notify(std.Getenv("NOTIFY_SOCKET"), "WATCHDOG=1")
		if s.textfile == "" || r.Time.Sub(written) < 5*time.Second {
			return
		}
		written = r.Time
		var b bytes.Buffer
		metrics(&b, r)
		if err := writeFile(s.textfile, b.Bytes(), 0o644); err != nil {
			log.Warn("metrics", "error", err)
		}
	}
	return w.Loop(held)
}

// watch puts the parts together.
func (s *settings) watch(ctx context.Context, log *slog.Logger) (*watchdog.Watch, func() error, error) {
	var closers []func() error
	done := func() (err error) {
		for _, f := range closers {
			err = errors.Join(err, f())
		}
		return err
	}
	fail := func(err error) (*watchdog.Watch, func() error, error) { return nil, nil, errors.Join(err, done()) }
	if s.state == "" {
		s.state = "/var/lib/stackmend/ceph-watchdog.json"
	}
	history, err := s.load()
	if err != nil {
		return fail(err)
	}
	sampler, err := watchdog.NewSampler(watchdog.SamplerOptions{Words: s.words})
	if err != nil {
		return fail(err)
	}
	closers = append(closers, sampler.Close)
	to, closeCluster, err := s.cluster(ctx)
	if err != nil {
		return fail(err)
	}
	if s.host == "" {
		if s.host, err = os.Hostname(); err != nil {
			return fail(err)
		}
	}
	claims, err := watchdog.NewClaims(to, s.host, watchdog.ClaimOptions{})
	if err != nil {
		return fail(err)
	}
	closers = append(closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return claims.Close(ctx)
	}, func() error { closeCluster(); return nil })
	super, err := s.supervisor()
	if err != nil {
		return fail(err)
	}
	applier, err := watchdog.NewApplier(watchdog.Site{Cluster: to, Supervisor: super, Claims: claims, Policy: s.policy(), Supervised: s.supervised})
	if err != nil {
		return fail(err)
	}
	events, closeEvents, err := s.onEvent(log)
	if err != nil {
		return fail(err)
	}
	closers = append(closers, closeEvents)
	w := &watchdog.Watch{Sampler: sampler, Applier: applier, Policy: s.policy(), History: history, OnEvent: events,
		OnRestart: func(h watchdog.History) {
			if err := s.save(h); err != nil {
				log.Error("the history of restarts could not be kept", "error", err)
			}
		}}
	if s.apply {
		w.Run.Mode, w.Acts = stackmend.Apply, true
		w.OnUseless = func(ctx context.Context, osd int) (string, error) { return s.planTrim(ctx, to, super, osd) }
		if err := os.MkdirAll(filepath.Dir(s.state), 0o700); err != nil {
			return fail(err)
		}
		if w.Run.Journal, err = stackmend.OpenJournal(strings.TrimSuffix(s.state, ".json") + ".journal"); err != nil {
			return fail(err)
		}
		closers = append(closers, w.Run.Journal.Close)
	}
	if s.kill != "" {
		w.Run.Guards = append(w.Run.Guards, stackmend.KillSwitch(s.kill))
	}
	return w, done, nil
}

// cluster is the way to it: the OSDs of this host by their sockets, the rest by
// the backend.
func (s *settings) cluster(ctx context.Context) (ceph.Commander, func(), error) {
	var to ceph.Commander = ceph.CLI{Conf: s.conf, ID: s.id, Keyring: s.keyring}
	done := func() {}
	if s.backend == "librados" {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		conn, err := librados.Open(ctx, librados.Options{Conf: s.conf, ID: s.id, Keyring: s.keyring})
		if err != nil {
			return nil, nil, fmt.Errorf("%w (-backend cli needs no librados, and starts a program for each question)", err)
		}
		to, done = conn, conn.Close
	}
	sockets, err := ceph.FindSockets(s.asok, os.DirFS(s.asok))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		done()
		return nil, nil, err
	}
	return ceph.Local{Next: to, Sockets: sockets}, done, nil
}

func (s *settings) supervisor() (supervisor.Supervisor, error) {
	switch s.super {
	case "systemd":
		return supervisor.Systemd{}, nil
	case "cephadm":
		if s.fsid == "" {
			return nil, cli.Usage("-supervisor cephadm needs -fsid")
		}
		return supervisor.Cephadm(s.fsid, s.engine), nil
	case "container":
		return supervisor.Container{Engine: s.engine}, nil
	case "process":
		if len(s.start) == 0 {
			return nil, cli.Usage("-supervisor process needs -start")
		}
		return supervisor.Process{Start: s.start, Args: s.words}, nil
	}
	return nil, cli.Usage("-supervisor is systemd, cephadm, container or process, not %q", s.super)
}

// onEvent logs events, and appends them to -events.
func (s *settings) onEvent(log *slog.Logger) (func(watchdog.Event), func() error, error) {
	done := func() error { return nil }
	lines := json.NewEncoder(discard{})
	if s.events != "" {
		f, err := os.OpenFile(s.events, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, nil, err
		}
		lines, done = json.NewEncoder(f), f.Close
	}
	return func(e watchdog.Event) {
		_ = lines.Encode(map[string]any{"time": e.Time.UTC(), "osd": e.OSD, "kind": e.Kind, "text": e.Text})
		level := slog.LevelInfo
		switch e.Kind {
		case "refused", "useless", "unclean", "oom-kill":
			level = slog.LevelError
		case "unseen", "restart", "would":
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, cli.Clean(e.Text), "osd", e.OSD, "kind", e.Kind)
	}, done, nil
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// load reads the restarts of the past.
func (s *settings) load() (h watchdog.History, err error) {
	if s.state == "" {
		return nil, nil
	}
	b, err := os.ReadFile(s.state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &h)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.state, err)
	}
	return h, nil
}

func (s *settings) save(h watchdog.History) error {
	b, err := json.MarshalIndent(h, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.state), 0o700); err != nil {
		return err
	}
	return writeFile(s.state, append(b, '\n'), 0o600)
}

// writeFile writes a file whole or not at all.
func writeFile(path string, b []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone after the rename
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
