package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/bootvolume"
	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/internal/oslo"
)

// haproxy is the service whose files -set may edit while it runs.
const haproxy = "haproxy"

// A kind is the files of one flag.
type kind struct {
	service string
	format  bootvolume.Format
	paths   []string // as they were given
}

func (s *settings) kinds() []kind {
	groups := func(service string, words cli.List) kind {
		k := kind{service: service, format: bootvolume.GroupFormat}
		for _, word := range words {
			_, path := hostAndFile(word)
			k.paths = append(append(k.paths, path), s.inFolders(path)...)
		}
		return k
	}
	return []kind{{haproxy, bootvolume.HAProxyFormat, s.haproxyCfg}, groups("nova", s.novaConf), groups("service", s.serviceConf), groups("galera", s.galeraCnf)}
}

// inFolders are the files of a --config-dir: of one that was given in place of
// a file, or with -config-dir after it.
func (s *settings) inFolders(path string) (files []string) {
	folders := []string{path}
	for _, word := range s.configDir {
		if file, dir, _ := strings.Cut(word, "="); file == path {
			folders = append(folders, dir)
		}
	}
	for _, dir := range folders {
		entries, _ := os.ReadDir(dir) // readersOf says what is wrong with it
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".conf") {
				files = append(files, strings.TrimSuffix(dir, "/")+"/"+e.Name())
			}
		}
	}
	return files
}

// planEdit plans what -set names. Its files are of one kind, for they are one
// group: changed together or not at all.
func (s *settings) planEdit(ctx context.Context) (*stackmend.Plan, error) {
	var of kind
	var changes []bootvolume.Change
	for _, word := range s.set {
		k, path, setting, err := s.setting(word)
		if err != nil {
			return nil, err
		}
		if of.service != "" && of.service != k.service {
			return nil, cli.Usage("-set: files of %s and of %s: edit one after the other", of.service, k.service)
		}
		of = k
		i := slices.IndexFunc(changes, func(c bootvolume.Change) bool { return c.Path == path })
		if i < 0 {
			i = len(changes)
			changes = append(changes, bootvolume.Change{Path: path, Format: k.format, Reason: "asked for with -set"})
		}
		changes[i].Settings = append(changes[i].Settings, setting)
	}
	files, refusals, err := s.filesOf(ctx, of, changes)
	if err != nil {
		return nil, err
	}
	p, err := bootvolume.PlanEdit(of.service, files, changes, time.Now(), planValid)
	if errors.Is(err, bootvolume.ErrEdit) {
		return nil, cli.Usage("-set: %v", err)
	}
	if err != nil {
		return nil, err
	}
	p.Refusals = append(p.Refusals, refusals...)
	if of.service == haproxy {
		err = s.foresee(ctx, p, files, changes)
	}
	return p, err
}

// foresee has the checker look at copies of the files as they will be, so that
// what it warns of is in the plan before anything is written.
func (s *settings) foresee(ctx context.Context, p *stackmend.Plan, files []bootvolume.ConfFile, changes []bootvolume.Change) error {
	i := slices.IndexFunc(p.Steps, func(s stackmend.Step) bool { return s.Verb == bootvolume.VerbValidate })
	if i < 0 {
		return nil
	}
	service, err := s.service()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bootvolume")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var copies []string
	for n, f := range files {
		text := f.Text
		if i := slices.IndexFunc(changes, func(c bootvolume.Change) bool { return c.Path == f.Path }); i >= 0 {
			if text, err = changes[i].Edited(f); err != nil {
				return err
			}
		}
		copies = append(copies, filepath.Join(dir, fmt.Sprintf("%d-%s", n, filepath.Base(f.Path))))
		if err := os.WriteFile(copies[n], []byte(text), 0o600); err != nil {
			return err
		}
	}
	warnings, err := service.Check(ctx, copies)
	if err != nil {
		warnings = append(warnings, "it refuses a copy of them: "+err.Error())
	}
	for _, w := range warnings {
		for n, f := range files {
			w = strings.ReplaceAll(w, copies[n], f.Path)
		}
		p.Steps[i].Reason += "; it warns: " + w
	}
	return nil
}

// setting takes FILE:SECTION:NAME=VALUE, where the file is one that was given.
func (s *settings) setting(word string) (k kind, path string, set bootvolume.Setting, err error) {
	for _, k := range s.kinds() {
		for _, given := range k.paths {
			rest, ok := strings.CutPrefix(word, given+":")
			if !ok {
				continue
			}
			left, value, ok := strings.Cut(rest, "=")
			i := strings.LastIndexByte(left, ':')
			if !ok || i < 0 {
				return k, "", set, cli.Usage("-set %q is not FILE:SECTION:NAME=VALUE", word)
			}
			path, err = filepath.Abs(given)
			return k, path, bootvolume.Setting{Section: left[:i], Name: strings.TrimSpace(left[i+1:]), Value: strings.TrimSpace(value)}, err
		}
	}
	return k, "", set, cli.Usage("-set %q: give its file with -haproxy-cfg, -nova-conf, -service-conf or -galera-cnf", word)
}

// filesOf reads the files of an edit: of HAProxy all, for they are checked
// together, and what it runs with now; of others those that the same service
// reads, for a later one may set an option again.
func (s *settings) filesOf(ctx context.Context, k kind, changes []bootvolume.Change) (files []bootvolume.ConfFile, refusals []string, err error) {
	if k.service != haproxy {
		files, err = s.readersOf(k, changes)
		return files, nil, err
	}
	service, err := s.service()
	if err != nil {
		return nil, nil, err
	}
	generation, err := service.Generation(ctx)
	if err != nil {
		return nil, nil, err
	}
	paths, err := absolute(k.paths)
	if err != nil {
		return nil, nil, err
	}
	for _, path := range paths {
		f, err := bootvolume.ReadConf(path)
		if err != nil {
			return nil, nil, err
		}
		f.Generation = generation
		files = append(files, f)
	}
	return files, service.unfit(ctx, paths), nil
}

// readersOf reads all files of the services that read one that is changed.
func (s *settings) readersOf(k kind, changes []bootvolume.Change) (files []bootvolume.ConfFile, err error) {
	dirs, err := s.configDirs()
	if err != nil {
		return nil, err
	}
	of := map[string]func() ([]service, error){
		"nova":    func() ([]service, error) { return byHost(s.novaConf, dirs) },
		"service": func() ([]service, error) { return alone(s.serviceConf, dirs) },
		"galera":  func() ([]service, error) { return alone(s.galeraCnf, nil) },
	}
	all, err := of[k.service]()
	if err != nil {
		return nil, err
	}
	changed := func(name string) bool {
		return slices.ContainsFunc(changes, func(c bootvolume.Change) bool { return c.Path == fromRoot(name) })
	}
	for _, one := range all {
		names, err := oslo.Files(root(), one.names...)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if !slices.ContainsFunc(names, changed) {
				break
			}
			f := bootvolume.ConfFile{Path: fromRoot(name)}
			if changed(name) {
				f, err = bootvolume.ReadConf(f.Path)
			} else {
				f.Text, err = text(name)
			}
			if err != nil {
				return nil, err
			}
			f.Host = one.key
			files = append(files, f)
		}
	}
	return files, nil
}

func text(name string) (string, error) {
	b, err := fs.ReadFile(root(), name)
	return string(b), err
}

func absolute(paths []string) (all []string, err error) {
	for _, path := range paths {
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		all = append(all, path)
	}
	return all, nil
}

func isEdit(p *stackmend.Plan) bool {
	return slices.ContainsFunc(p.Steps, func(s stackmend.Step) bool { return s.Verb == bootvolume.VerbEdit })
}

// editor carries out an edit; a plan of HAProxy needs its supervisor here too.
func (s *settings) editor(p *stackmend.Plan) (stackmend.Applier, error) {
	services := make(map[string]bootvolume.Service)
	if slices.ContainsFunc(p.Steps, func(s stackmend.Step) bool { return s.Verb == bootvolume.VerbReload }) {
		service, err := s.service()
		if err != nil {
			return nil, err
		}
		services[haproxy] = service
	}
	s.edited = bootvolume.NewEditor(services, s.settle)
	return s.edited, nil
}

func (s *settings) service() (*proxy, error) {
	if strings.TrimSpace(s.reload) == "" || strings.TrimSpace(s.validate) == "" || len(s.haproxySocket) != 1 {
		return nil, cli.Usage("an edit of HAProxy needs -reload COMMAND, -validate COMMAND and the one -haproxy-socket of this HAProxy, to see that it runs with it")
	}
	host, addr := hostAndFile(s.haproxySocket[0])
	return &proxy{host: host, dial: dialer(addr), check: strings.Fields(s.validate), reload: strings.Fields(s.reload)}, nil
}
