package safety

import (
	"testing"

	"github.com/stackmend/stackmend/ceph"
)

func TestPaused(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		err  error
		want string
	}{
		"paused":         {`{"available":true,"backend":"cephadm","workers":10,"paused":true}`, nil, yes},
		"at work":        {`{"available":true,"backend":"cephadm","workers":10,"paused":false}`, nil, no},
		"not available":  {`{"available":false,"backend":"cephadm","reason":"No SSH key set"}`, nil, unknown},
		"does not say":   {`{"available":true,"backend":"rook"}`, nil, unknown},
		"says nothing":   {`{}`, nil, unknown},
		"cut":            {`{"available":true,"backend":"cephadm","pau`, nil, unknown},
		"null":           {`{"available":true,"backend":"cephadm","paused":null}`, nil, unknown},
		"not configured": {``, ceph.Failed(ceph.Command{Prefix: "orch status"}, 2, "No orchestrator configured (try `ceph orch set backend`)"), unknown},
	} {
		to := answers{"orch status": {c.body, c.err}}
		if got := kind(Paused(t.Context(), to)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
