package bootvolume

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// besides are the files that a service reads and nobody changes. Whether a
// setting is in effect was judged with them.
func besides(files []ConfFile, changes []Change) []ConfFile {
	return slices.DeleteFunc(slices.Clone(files), func(f ConfFile) bool {
		return slices.ContainsFunc(changes, func(c Change) bool { return c.Path == f.Path })
	})
}

func pathsOf(files []ConfFile) string {
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	return strings.Join(paths, "\n")
}

// sumOf is a sum over files in their order; "" of none.
func sumOf(files []ConfFile) string {
	if len(files) == 0 {
		return ""
	}
	var all strings.Builder
	for _, f := range files {
		all.WriteString(sum(f.Text))
	}
	return sum(all.String())
}

// besideHolds looks whether what a step's file is read with is as it was.
func besideHolds(s stackmend.Step) error {
	var files []ConfFile
	for path := range strings.SplitSeq(s.Args["beside"], "\n") {
		if path == "" {
			continue
		}
		info, err := os.Stat(path) // its program follows links, and so did who planned
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || info.Size() > maxConf {
			return fmt.Errorf("%w: %s is no regular file of at most %d bytes", ErrEdit, path, maxConf)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files = append(files, ConfFile{Text: string(b)})
	}
	if got := sumOf(files); got != s.Assumes["beside"] {
		return &stackmend.StaleError{Target: strings.ReplaceAll(s.Args["beside"], "\n", ", "), Key: "sha256", Want: s.Assumes["beside"], Got: got}
	}
	return nil
}
