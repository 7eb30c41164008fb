package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stackmend/stackmend/bootvolume"
	"github.com/stackmend/stackmend/examples/cli"
)

// readServices reads the files of the services, as oslo.config does.
func (s *settings) readServices() (err error) {
	dirs, err := s.configDirs()
	if err != nil {
		return err
	}
	if s.snapshot.Nova, err = novaConfs(s.novaConf, dirs); err != nil {
		return err
	}
	if s.snapshot.Services, err = services(s.serviceConf, dirs, bootvolume.ReadServiceConfFiles); err != nil {
		return err
	}
	s.snapshot.Consoles, err = services(s.consoleauthConf, dirs, bootvolume.ReadConsoleConfFiles)
	return err
}

// configDirs are the folders of -config-dir by the file that they come after.
func (s *settings) configDirs() (map[string][]string, error) {
	var files []string
	for _, word := range slices.Concat(s.novaConf, s.serviceConf, s.consoleauthConf) {
		_, path := hostAndFile(word)
		files = append(files, path)
	}
	dirs := make(map[string][]string)
	for _, word := range s.configDir {
		file, dir, ok := strings.Cut(word, "=")
		if !ok || dir == "" || !slices.Contains(files, file) {
			return nil, cli.Usage("-config-dir %q is not FILE=DIR with a FILE as it was given to -nova-conf, -service-conf or -consoleauth-conf", word)
		}
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			return nil, cli.Usage("-config-dir %s: %s is no folder", file, dir)
		}
		dirs[file] = append(dirs[file], dir)
	}
	return dirs, nil
}

// root is the file system that absolute paths are in, without their slash.
func root() fs.FS { return os.DirFS(string(filepath.Separator)) }

// inRoot are the names of paths there, and the paths themselves for messages.
func inRoot(paths ...string) (names, whole []string, err error) {
	for _, path := range paths {
		if path, err = filepath.Abs(path); err != nil {
			return nil, nil, err
		}
		name, err := filepath.Rel(filepath.VolumeName(path)+string(filepath.Separator), path)
		if err != nil {
			return nil, nil, err
		}
		names, whole = append(names, filepath.ToSlash(name)), append(whole, path)
	}
	return names, whole, nil
}

// services reads the files of a flag that may be repeated: each is a service.
func services[C any](words []string, dirs map[string][]string, read func(fs.FS, string, ...string) (C, error)) (all []C, err error) {
	for _, word := range words {
		host, path := hostAndFile(word)
		names, whole, err := inRoot(append([]string{path}, dirs[path]...)...)
		if err != nil {
			return nil, err
		}
		c, err := read(root(), host, names...)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(whole, " "), err)
		}
		all = append(all, c)
	}
	return all, nil
}

// novaConfs reads the files that are said to be of one host together, in their
// order; a file without a host stands alone.
func novaConfs(words []string, dirs map[string][]string) (all []bootvolume.NovaConf, err error) {
	var order []string
	hosts, files, given := make(map[string]string), make(map[string][]string), make(map[string][]string)
	for _, word := range words {
		host, path := hostAndFile(word)
		key := word
		if path != word {
			key = host + "="
		}
		if files[key] == nil {
			order = append(order, key)
		}
		names, whole, err := inRoot(append([]string{path}, dirs[path]...)...)
		if err != nil {
			return nil, err
		}
		hosts[key], files[key], given[key] = host, append(files[key], names...), append(given[key], whole...)
	}
	for _, key := range order {
		c, err := bootvolume.ReadNovaConfFiles(root(), hosts[key], files[key]...)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(given[key], " "), err)
		}
		all = append(all, c)
	}
	return all, nil
}

// each reads the files of a flag that may be repeated.
func each[C any](words []string, read func(io.Reader, string) (C, error)) (all []C, err error) {
	for _, word := range words {
		host, path := hostAndFile(word)
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		c, err := read(f, host)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, c)
	}
	return all, nil
}
