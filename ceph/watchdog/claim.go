package watchdog

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Claim is what the watchdog of one host tells the others. Each writes its
// own key and no other, so that no write is lost although the store has no
// compare-and-set.
type Claim struct {
	Key  string `json:"-"`
	Host string `json:"host"`
	By   string `json:"by"`  // the process: two on one host would not see each other
	Seq  uint64 `json:"seq"` // grows with each write: who does not move is dead
	// Entering is the OSD that this host restarts, or wants to and is asking
	// whether it may.
	Entering *int   `json:"entering,omitempty"`
	Wishes   []Wish `json:"wishes,omitempty"`
	// Restarts of the last minutes, for the storm guard of the others.
	Restarts int `json:"restarts,omitempty"`

	unread bool // the value is not of this form: taken for a host that is entering
	dead   bool // it has not moved for a lease
	age    time.Duration
}

// Dead reports that the holder has not moved for a lease: it does not count.
func (c Claim) Dead() bool { return c.dead }

// entering reports whether the claim stands in the way of others.
func (c Claim) entering() bool { return !c.dead && (c.unread || c.Entering != nil) }

// maxClaim bounds what is read of a claim: keys of the store are untrusted.
const maxClaim = 64 << 10

// parseClaims reads the answer of `config-key dump PREFIX`: values by key.
func parseClaims(b []byte, prefix string) ([]Claim, error) {
	var values map[string]string
	if err := json.Unmarshal(b, &values); err != nil {
		return nil, fmt.Errorf("watchdog: config-key dump: not a map of keys: %w", err)
	}
	var out []Claim
	for key, text := range values {
		if strings.HasPrefix(key, prefix) {
			out = append(out, parseClaim(key, text))
		}
	}
	slices.SortFunc(out, func(a, b Claim) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

func parseClaim(key, text string) Claim {
	var c Claim
	if len(text) > maxClaim || json.Unmarshal([]byte(text), &c) != nil || c.Host == "" {
		c = Claim{Host: "unknown", unread: true}
	}
	for _, w := range c.Wishes {
		if w.OSD < 0 || w.Left < 0 || w.Stop < 0 || w.Cycle < 0 || w.Stop > time.Hour || w.Cycle > 24*time.Hour {
			c = Claim{Host: c.Host, Seq: c.Seq, unread: true}
			break
		}
	}
	c.Key = key
	return c
}

// wishes are those of the claims that count, as of now.
func wishes(claims []Claim) (out []Wish) {
	for _, c := range claims {
		for _, w := range c.Wishes {
			if w.Left != Never {
				w.Left = max(0, w.Left-c.age)
			}
			if !c.dead {
				out = append(out, w)
			}
		}
	}
	return out
}
