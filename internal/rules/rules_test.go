package rules

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/stackmend/stackmend"

// incidents are the packages that stand for themselves.
var incidents = []string{"mtu", "dhcp", "imagecache", "bpdu", "consolelog", "dbarchive", "ceph", "bootvolume"}

type pkg struct {
	ImportPath, Dir         string
	Imports                 []string
	GoFiles, IgnoredGoFiles []string
}

func (p pkg) name() string { return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/") }

// incident is the incident package that p belongs to, or empty.
func (p pkg) incident() string {
	first, _, _ := strings.Cut(p.name(), "/")
	if slices.Contains(incidents, first) {
		return first
	}
	return ""
}

// library: what others import, which must not act on its own.
func (p pkg) library() bool { return p.name() == "" || p.incident() != "" }

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles,IgnoredGoFiles", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p pkg
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 3 {
		t.Fatalf("only %d packages", len(all))
	}
	return all
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		for _, path := range p.Imports {
			if why := forbidden(p, path); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, path, why)
			}
		}
	}
}

// forbidden says why a package may not import this path.
func forbidden(p pkg, path string) string {
	standard := !strings.Contains(strings.Split(path, "/")[0], ".")
	inner, ours := strings.CutPrefix(path, module+"/")
	first, _, _ := strings.Cut(inner, "/")
	switch {
	case p.name() == "" && !standard && !strings.HasPrefix(path, "golang.org/x/sync/"):
		return "the root imports the standard library and golang.org/x/sync alone"
	case p.incident() != "" && ours && slices.Contains(incidents, first) && first != p.incident():
		return "the packages do not import each other"
	case strings.HasPrefix(p.name(), "internal/") && ours && slices.Contains(incidents, first):
		return "what packages share does not know them"
	case p.library() && ours && first == "examples":
		return "a library does not import the examples"
	case strings.HasPrefix(path, "github.com/gophercloud/") && !mayUseSDK(p):
		return "gophercloud lives in <package>/openstack and internal/openstack"
	case strings.HasPrefix(path, "github.com/ceph/go-ceph") && p.name() != "ceph/librados":
		return "go-ceph lives in ceph/librados"
	case p.library() && slices.Contains([]string{"log", "flag"}, path):
		return "a library neither logs nor reads flags"
	}
	return ""
}

func mayUseSDK(p pkg) bool {
	return p.name() == "internal/openstack" || strings.HasSuffix(p.name(), "/openstack") || strings.HasPrefix(p.name(), "examples/")
}

// TestCalls looks for what a library must not call.
func TestCalls(t *testing.T) {
	banned := map[string]string{
		"os.Exit": "exits", "os.Getenv": "reads the environment", "os.LookupEnv": "reads the environment", "os.Environ": "reads the environment",
		"fmt.Print": "prints", "fmt.Println": "prints", "fmt.Printf": "prints", "os.Stdout": "prints", "os.Stderr": "prints",
		"slog.Info": "logs", "slog.Warn": "logs", "slog.Error": "logs", "slog.Debug": "logs", "slog.Default": "logs",
	}
	for _, p := range packages(t) {
		if !p.library() {
			continue
		}
		for _, name := range slices.Concat(p.GoFiles, p.IgnoredGoFiles) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, call := range selectors(t, filepath.Join(p.Dir, name)) {
				if why := banned[call.text]; why != "" {
					t.Errorf("%s: %s: a library package %s", call.pos, call.text, why)
				}
				if call.text == "panic" {
					t.Errorf("%s: a library package panics", call.pos)
				}
			}
		}
	}
}

type use struct{ pos, text string }

// selectors lists x.y of a file, and calls of panic.
func selectors(t *testing.T, path string) []use {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var uses []use
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok {
				uses = append(uses, use{fset.Position(n.Pos()).String(), x.Name + "." + n.Sel.Name})
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "panic" {
				uses = append(uses, use{fset.Position(n.Pos()).String(), "panic"})
			}
		}
		return true
	})
	return uses
}

// TestMode: only the root's runner and the examples know the mode.
func TestMode(t *testing.T) {
	for _, p := range packages(t) {
		if p.incident() == "" {
			continue
		}
		for _, name := range slices.Concat(p.GoFiles, p.IgnoredGoFiles) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, u := range selectors(t, filepath.Join(p.Dir, name)) {
				if u.text == "stackmend.DryRun" || u.text == "stackmend.Apply" {
					t.Errorf("%s: mode is known to the runner alone", u.pos)
				}
			}
		}
	}
}
