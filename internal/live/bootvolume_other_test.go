//go:build !linux

package live

import (
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
)

func bootVolumes(t *testing.T, _ *world)   { lab.Without(t, "Linux") }
func bootConflicts(t *testing.T, _ *world) { lab.Without(t, "Linux") }
