package watchdog

import (
	"math/rand/v2"
	"time"
)

// A kind is a way to grow. make returns one growth for each OSD.
type kind struct {
	name   string
	length time.Duration
	make   func(*rand.Rand) []growth
}

func between(r *rand.Rand, lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }

func share(f float64) float64 { return f * float64(simLimit) }

// ramp is a leak that begins some time after its process, at a rate in bytes a
// second, and only in the first process unless it comes again.
func ramp(r *rand.Rand, rate float64, again bool) growth {
	base, start := share(between(r, 0.2, 0.6)), between(r, 30, 60)
	return func(life int, age time.Duration) int64 {
		s := age.Seconds() - start
		if s < 0 || life > 0 && !again {
			s = 0
		}
		return int64(base + rate*s)
	}
}

// rate of a leak: 0.5 to 60 MiB a second, slow ones as often as fast ones.
func rate(r *rand.Rand) float64 {
	return float64(mib) * 0.5 * pow(120, r.Float64())
}

func one(g growth) []growth { return []growth{g} }

func kinds() []kind {
	const long = 20 * time.Minute
	return []kind{
		{"linear", long, func(r *rand.Rand) []growth { return one(ramp(r, rate(r), false)) }},
		{"leak again", long, func(r *rand.Rand) []growth { return one(ramp(r, rate(r), true)) }},
		{"step", 5 * time.Minute, step},
		{"burst", 5 * time.Minute, burst},
		{"sawtooth", 10 * time.Minute, sawtooth},
		{"pg log", 20 * time.Minute, log},
		{"all at once", long, together},
	}
}

// step: caches and logs that are loaded at once, up to 97 % of the limit.
func step(r *rand.Rand) []growth {
	base := share(between(r, 0.2, 0.5))
	type jump struct{ at, by float64 }
	var jumps []jump
	for left := share(between(r, 0.6, 0.97)) - base; left > share(0.05); {
		by := min(left, share(between(r, 0.02, 0.3)))
		jumps, left = append(jumps, jump{between(r, 30, 250), by}), left-by
	}
	return one(func(_ int, age time.Duration) int64 {
		v := base
		for _, j := range jumps {
			if age.Seconds() > j.at {
				v += j.by
			}
		}
		return int64(v)
	})
}

// burst: as measured, up within two seconds and back after four.
func burst(r *rand.Rand) []growth {
	base, by, every := share(between(r, 0.2, 0.4)), share(between(r, 0.2, 0.55)), between(r, 20, 90)
	return one(func(_ int, age time.Duration) int64 {
		s := mod(age.Seconds(), every)
		switch {
		case s < every-6:
			return int64(base)
		case s < every-4:
			return int64(base + by*(s-every+6)/2)
		}
		return int64(base + by)
	})
}

// sawtooth: it rises and falls by itself.
func sawtooth(r *rand.Rand) []growth {
	base, by, every := share(between(r, 0.2, 0.5)), share(between(r, 0.1, 0.45)), between(r, 5, 200)
	return one(func(_ int, age time.Duration) int64 {
		return int64(base + by*mod(age.Seconds(), every)/every)
	})
}

// log: a PG log that grows slowly to the limit, and is there again after a
// restart, all but a little.
func log(r *rand.Rand) []growth {
	base, rate := share(between(r, 0.4, 0.7)), share(between(r, 0.0003, 0.002))
	back := share(between(r, 0.85, 0.94))
	return one(func(life int, age time.Duration) int64 {
		if life == 0 {
			return int64(base + rate*age.Seconds())
		}
		loaded := min(1, age.Seconds()/20)
		return int64(back*loaded + rate*max(0, age.Seconds()-60)/4)
	})
}

// together: up to six OSDs of as many hosts begin to leak at the same time.
func together(r *rand.Rand) []growth {
	out := make([]growth, 2+r.IntN(5))
	base := rate(r) / 4
	for i := range out {
		out[i] = ramp(r, base*between(r, 0.5, 2), false)
	}
	return out
}
