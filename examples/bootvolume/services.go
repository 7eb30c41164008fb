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
	novas, err := byHost(s.novaConf, dirs)
	if err != nil {
		return err
	}
	if s.snapshot.Nova, err = read(novas, bootvolume.ReadNovaConfFiles); err != nil {
		return err
	}
	others, err := alone(s.serviceConf, dirs)
	if err != nil {
		return err
	}
	if s.snapshot.Services, err = read(others, bootvolume.ReadServiceConfFiles); err != nil {
		return err
	}
	consoles, err := alone(s.consoleauthConf, dirs)
	if err != nil {
		return err
	}
	s.snapshot.Consoles, err = read(consoles, bootvolume.ReadConsoleConfFiles)
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

// fromRoot is the path of a name there.
func fromRoot(name string) string {
	return string(filepath.Separator) + filepath.FromSlash(name)
}

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

// A service is what reads the files of one or more words of a flag.
type service struct {
	host, key    string   // key: what tells it from the others
	names, whole []string // of its files and folders, in its order
}

// alone are the services of a flag of which each word is one.
func alone(words []string, dirs map[string][]string) (all []service, err error) {
	for _, word := range words {
		host, path := hostAndFile(word)
		s := service{host: host, key: word}
		if s.names, s.whole, err = inRoot(append([]string{path}, dirs[path]...)...); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// byHost takes the files that are said to be of one host together; a file
// without a host stands alone.
func byHost(words []string, dirs map[string][]string) (all []service, err error) {
	each, err := alone(words, dirs)
	for _, s := range each {
		if strings.Contains(s.key, "=") {
			s.key = s.host + "="
		}
		i := slices.IndexFunc(all, func(o service) bool { return o.key == s.key })
		if i < 0 {
			all = append(all, s)
			continue
		}
		all[i].names, all[i].whole = append(all[i].names, s.names...), append(all[i].whole, s.whole...)
	}
	return all, err
}

// read reads the files of services.
func read[C any](of []service, from func(fs.FS, string, ...string) (C, error)) (all []C, err error) {
	for _, s := range of {
		c, err := from(root(), s.host, s.names...)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(s.whole, " "), err)
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
