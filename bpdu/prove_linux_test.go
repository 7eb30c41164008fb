package bpdu

import (
	"testing"

	"github.com/stackmend/stackmend/internal/lab/netns"
)

// The frames by which a filter is proven do arrive where there is none.
func TestProofsArriveUnfiltered(t *testing.T) {
	netns.New(t) // may the test make namespaces?
	s, err := newStage()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if n, err := s.send(proofs()); n != len(proofs()) || err != nil {
		t.Errorf("%d of %d arrived, %v", n, len(proofs()), err)
	}
	if err := prove(FamilyNetdev); err != nil {
		t.Error(err)
	}
	for _, p := range proofs() {
		if b, err := DecodeFrame(p); err != nil || b.Type == "" {
			t.Errorf("%+v %v", b, err)
		}
	}
}
