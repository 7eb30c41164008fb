//go:build !unix

package appliertest

import "testing"

func (s Suite) killed(t *testing.T) { t.Skip("needs SIGKILL") }

func (s Suite) child(t *testing.T) { t.Fatal("needs SIGKILL") }
