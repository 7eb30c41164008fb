package pressure

import (
	"math/rand/v2"
	"testing"
)

// simulated is a cluster that bears so much; what it shows comes late.
type simulated struct {
	bears int
	late  []bool // trouble on its way to the one who looks
}

func (s *simulated) look(level int) Sample {
	s.late = append(s.late, level > s.bears)
	trouble := s.late[0]
	s.late = s.late[1:]
	if trouble {
		return Sample{Seen: true, Trouble: "clients are slow"}
	}
	return Sample{Seen: true}
}

// simulate returns the levels of so many samples.
func simulate(seed uint64, samples int) (levels []int, bears, most int) {
	r := rand.New(rand.NewPCG(seed, 5))
	most = 1 + r.IntN(32)
	s := &simulated{bears: r.IntN(most + 4), late: make([]bool, r.IntN(3))}
	c := &Controller{Max: most}
	for range samples {
		c.Next(s.look(c.Level))
		levels = append(levels, c.Level)
	}
	return levels, s.bears, most
}

func changes(levels []int) (n int) {
	for i := range levels[1:] {
		if levels[i] != levels[i+1] {
			n++
		}
	}
	return n
}

// Over thousands of clusters the level comes to what the cluster bears and
// stays: fewer and fewer samples are trouble, and fewer and fewer change it.
func TestControllerConverges(t *testing.T) {
	const clusters, samples = 3000, 2000
	worstShare, worstChanges := 0.0, 0
	for seed := range uint64(clusters) {
		levels, bears, most := simulate(seed, samples)
		tail := levels[samples/2:]
		over, under := 0, 0
		for _, l := range tail {
			if l > bears {
				over++
			}
			if l < min(bears+1, most)/2 {
				under++
			}
		}
		if last := levels[samples-1]; last > min(bears+1, most) {
			t.Errorf("cluster %d bears %d of %d, and ends at %d", seed, bears, most, last)
		}
		worstShare = max(worstShare, float64(over)/float64(len(tail)))
		if under > 0 {
			t.Errorf("cluster %d bears %d of %d, and is %d samples below half of it", seed, bears, most, under)
		}
		early, late := changes(levels[:samples/2]), changes(tail)
		worstChanges = max(worstChanges, late)
		if bears < most && late > early {
			t.Errorf("cluster %d swings: %d changes, then %d", seed, early, late)
		}
	}
	t.Logf("second half: at most %.2f %% of the samples above what is borne, at most %d changes", 100*worstShare, worstChanges)
	if worstShare > 0.01 || worstChanges > 40 {
		t.Errorf("it swings: %.2f %% above, %d changes in %d samples", 100*worstShare, worstChanges, samples/2)
	}
}

// After an OSD went up or down nothing climbs before some looks were quiet, and
// then it does.
func TestSettle(t *testing.T) {
	r := &climber{c: Controller{Max: 8, Calm: 1, Level: 2}}
	for i := range 2 * settledAfter {
		flap := ""
		if i < 3 {
			flap = "osd.1 went up or down"
		}
		why := r.c.Next(r.settle(Sample{Seen: true}, flap))
		if quiet := i - 2; (r.c.Level > 2) != (quiet >= settledAfter) {
			t.Fatalf("%d quiet looks: level %d, %s", quiet, r.c.Level, why)
		}
		if r.c.Level > 2 {
			return
		}
	}
	t.Error("it never climbs again")
}

// What was not seen is no reason to climb.
func TestControllerUnseen(t *testing.T) {
	c := &Controller{Max: 8, Level: 2}
	for range 1000 {
		c.Next(Sample{})
	}
	if c.Level != 2 {
		t.Errorf("level %d, want 2", c.Level)
	}
}
