package mtu

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// simulated is a path of which everything is known: only so can every limit
// and loss be tried.
type simulated struct {
	rng     *rand.Rand
	limit   int
	loss    float64
	tells   bool
	own     int
	answers []Answer
	sent    int
}

func (s *simulated) Send(size int, seq uint16) error {
	if s.own > 0 && size > s.own {
		return &TooBigError{s.own}
	}
	s.sent++
	switch {
	case s.rng.Float64() < s.loss:
	case size <= s.limit:
		s.answers = append(s.answers, Answer{Seq: seq})
	case s.tells:
		s.answers = append(s.answers, Answer{Seq: seq, TooBig: s.limit, By: "router"})
	}
	return nil
}

func (s *simulated) Receive(ctx context.Context) (Answer, error) {
	if len(s.answers) == 0 {
		<-ctx.Done()
		return Answer{}, ctx.Err()
	}
	time.Sleep(time.Millisecond)
	a := s.answers[0]
	s.answers = s.answers[1:]
	return a, nil
}

// TestProbeFindsEveryLimit searches 68 to 9216 for limits all over, with and
// without messages and losses.
func TestProbeFindsEveryLimit(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 1))
		undecided, rounds := 0, 400
		for range rounds {
			s := &simulated{rng: rng, limit: 68 + rng.IntN(9216-68), tells: rng.IntN(2) == 0}
			began := time.Now()
			r, err := Probe(t.Context(), s, ProbeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if s.sent > 40 || r.Sent != s.sent {
				t.Fatalf("%d packets sent, %d reported", s.sent, r.Sent)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("limit %d took %v", s.limit, took)
			}
			want := BlackHole
			if s.tells {
				want = TooBig
			}
			switch {
			case r.Verdict == Undecided:
				undecided++
			case r.Verdict != want || r.Largest != s.limit:
				t.Errorf("limit %d, tells %v: %+v", s.limit, s.tells, r)
			}
		}
		if undecided > 0 {
			t.Errorf("%d of %d undecided without any loss", undecided, rounds)
		}
	})
}

// TestProbeIsNotFooledByLoss: with a loss of a tenth a limit may stay
// undecided or coarse, but what is reported as passing did, and a black hole
// is claimed wrongly less than once in a hundred.
func TestProbeIsNotFooledByLoss(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 2))
		wrong, rounds, why := 0, 500, ""
		for range rounds {
			s := &simulated{rng: rng, limit: 9216, loss: 0.1, own: 1500}
			r, err := Probe(t.Context(), s, ProbeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if s.sent > 40 || r.Largest > 1500 {
				t.Fatalf("%d packets: %+v", s.sent, r)
			}
			if r.Verdict != Fits && r.Verdict != Lossy && r.Verdict != Undecided {
				wrong++
				why += fmt.Sprintf("%q %d %+v\n", r.Verdict, r.Largest, r.Sizes)
			}
		}
		if wrong > rounds/50 { // the test itself must not fail by chance
			t.Errorf("%d of %d wrong\n%s", wrong, rounds, why)
		}
	})
}

func TestProbeVerdicts(t *testing.T) {
	for _, c := range []struct {
		name string
		s    simulated
		want Verdict
	}{
		{"nobody there", simulated{limit: 0}, NoAnswer},
		{"everything fits", simulated{limit: 9999}, Fits},
		{"all lost", simulated{limit: 9999, loss: 1}, NoAnswer},
		{"own link below the smallest", simulated{limit: 9999, own: 60}, Undecided},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.s.rng = rand.New(rand.NewPCG(1, 1))
				r, err := Probe(t.Context(), &c.s, ProbeOptions{})
				if err != nil || r.Verdict != c.want {
					t.Errorf("%v, %+v; want %q", err, r, c.want)
				}
				if f, ok := r.finding(); ok == (c.want == Fits) || ok && f.Status.String() == "ok" {
					t.Errorf("finding %+v", f)
				}
			})
		})
	}
}

func TestProbeCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Probe(ctx, &simulated{rng: rand.New(rand.NewPCG(1, 1))}, ProbeOptions{})
	if err == nil {
		t.Error("a cancelled probe returned no error")
	}
	for _, o := range []ProbeOptions{{Min: 1}, {Min: 2000, Max: 1000}, {Max: 70000}, {Packets: 1}, {Timeout: -1}} {
		if _, err := Probe(t.Context(), &simulated{}, o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}
