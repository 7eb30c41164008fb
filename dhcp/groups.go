package dhcp

import "github.com/stackmend/stackmend"

func (s *Snapshot) common(verdicts []Verdict) []stackmend.Finding   { return nil }
func (s *Snapshot) loads() []stackmend.Finding                      { return nil }
func (s *Snapshot) culprits(verdicts []Verdict) []stackmend.Finding { return nil }
func (s *Snapshot) notJudged() []stackmend.Finding                  { return nil }

func (s *Snapshot) unseen() []string {
	u := append([]string(nil), s.Unseen...)
	for _, t := range s.Traces {
		u = append(u, t.Unseen...)
	}
	return u
}
