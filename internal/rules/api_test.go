package rules

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/api.txt anew")

const apiFile = "../../docs/api.txt"

// TestAPI holds what the libraries export to docs/api.txt, so that a change of
// the API is seen, and reviewed, as a change of that file.
func TestAPI(t *testing.T) {
	got := api(t)
	if *update {
		if err := os.WriteFile(apiFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(apiFile)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("the API has changed; if it is meant to, see docs/release.md and run\n\tgo test ./internal/rules -run TestAPI -update\n%s", d)
	}
}

// api is every exported declaration of the libraries as Linux without cgo has
// them, without comments.
func api(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, p := range linux(t) {
		if !p.library() {
			continue
		}
		fmt.Fprintf(&b, "package %s\n\n", p.ImportPath)
		for _, d := range declared(t, p) {
			b.WriteString(d + "\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// linux are the packages as they are there, whatever this system is.
func linux(t *testing.T) (all []pkg) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles", "./...")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p pkg
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func declared(t *testing.T, p pkg) (texts []string) {
	t.Helper()
	fset := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	d, err := doc.NewFromFiles(fset, parsed, p.ImportPath)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range decls(d) {
		texts = append(texts, text(t, decl))
	}
	slices.Sort(texts)
	return texts
}

func decls(d *doc.Package) (all []ast.Decl) {
	values := func(vs []*doc.Value) {
		for _, v := range vs {
			all = append(all, v.Decl)
		}
	}
	funcs := func(fs []*doc.Func) {
		for _, f := range fs {
			all = append(all, f.Decl)
		}
	}
	values(d.Consts)
	values(d.Vars)
	funcs(d.Funcs)
	for _, t := range d.Types {
		all = append(all, t.Decl)
		values(t.Consts)
		values(t.Vars)
		funcs(t.Funcs)
		funcs(t.Methods)
	}
	return all
}

// text prints a declaration without what it does, and without where it stands.
func text(t *testing.T, d ast.Decl) string {
	t.Helper()
	if f, ok := d.(*ast.FuncDecl); ok {
		f.Body = nil
	}
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			n.Doc = nil
		case *ast.FuncDecl:
			n.Doc = nil
		case *ast.Field:
			n.Doc, n.Comment = nil, nil
		case *ast.ValueSpec:
			n.Doc, n.Comment = nil, nil
		case *ast.TypeSpec:
			n.Doc, n.Comment = nil, nil
		}
		return true
	})
	var b bytes.Buffer
	if err := printer.Fprint(&b, token.NewFileSet(), d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
