package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/stackmend/stackmend"
)

// maxPlan bounds a plan file: it is untrusted input.
const maxPlan = 1 << 30

// writePlan writes a plan for review.
func writePlan(path string, p *stackmend.Plan) error {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(b, '\n'))
}

// writeFile writes a file whole or not at all, readable by its owner alone.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone after the rename
	if _, err := f.Write(b); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// page writes the result as a page.
func (s *session) page(r stackmend.Result) error {
	parts := []Part{{Text: s.Brief, Result: &r}}
	if s.Table != nil {
		var b bytes.Buffer
		s.Table(&b)
		parts = append(parts, Part{Verbose: b.String()})
	}
	if s.Pictures != nil {
		pictures, err := s.Pictures()
		if err != nil {
			return err
		}
		parts = append(parts, pictures...)
	}
	p := Page{Title: s.Name + ": " + r.Status.String(), Sections: []Section{{Name: s.Name, Title: s.Name, Parts: parts}}}
	return p.WriteFile(s.flags.HTML)
}

// WriteFile writes the page to a file that its owner alone can read: it may
// name hosts and instances.
func (p Page) WriteFile(path string) error {
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		return err
	}
	return writeFile(path, b.Bytes())
}

func readPlan(path string) (*stackmend.Plan, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Usage("%v", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPlan+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxPlan {
		return nil, fmt.Errorf("%w: %s is larger than %s", stackmend.ErrRefused, path, Bytes(maxPlan))
	}
	var p stackmend.Plan
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", stackmend.ErrRefused, path, err)
	}
	return &p, nil
}
