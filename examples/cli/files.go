package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/stackmend/stackmend"
)

// maxPlan bounds a plan file: it is untrusted input.
const maxPlan = 1 << 30

// writePlan writes a plan for review, readable by its owner alone.
func writePlan(path string, p *stackmend.Plan) error {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".plan-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone after the rename
	if _, err := f.Write(append(b, '\n')); err != nil {
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
