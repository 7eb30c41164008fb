//go:build !unix

package consolelog

import (
	"fmt"
	"os"
)

func openLog(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("consolelog: %w", err)
	}
	return regular(f)
}
