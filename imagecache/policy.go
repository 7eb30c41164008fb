package imagecache

import (
	"fmt"
	"strings"
	"time"
)

// Policy is what the operator decides. The zero Policy has the cautious
// defaults that stand beside the fields.
type Policy struct {
	MinAge    time.Duration // since an unused image was last touched; zero: 7 days; never less than nova.conf has
	Retention time.Duration // in the quarantine, before a purge; zero: 30 days
	Valid     time.Duration // how long a plan may be applied; zero: an hour

	MaxHeartbeat time.Duration // since a compute reported to nova; zero: 5 minutes
	MaxRegister  time.Duration // since a compute registered in compute_nodes; zero: 3 manager_interval, at least 2 hours
	MaxSkew      time.Duration // how far a clock may be ahead of ours; zero: 1 minute

	// Gone are hosts that will never come back, and how the operator knows.
	// They need not be accounted for; what their visible directories refer
	// to still counts.
	Gone map[string]string
	// Elsewhere are computes that do not share this filesystem, and how the
	// operator knows. A host that has registered in compute_nodes does.
	Elsewhere map[string]string
}

const day = 24 * time.Hour

// Validate reports what is wrong with the policy.
func (p Policy) Validate() error {
	for name, d := range map[string]time.Duration{"MinAge": p.MinAge, "Retention": p.Retention, "Valid": p.Valid,
		"MaxHeartbeat": p.MaxHeartbeat, "MaxRegister": p.MaxRegister, "MaxSkew": p.MaxSkew} {
		if d < 0 {
			return fmt.Errorf("imagecache: %s is negative: %v", name, d)
		}
	}
	for what, hosts := range map[string]map[string]string{"gone": p.Gone, "elsewhere": p.Elsewhere} {
		for host, reason := range hosts {
			if !validName(host) || strings.TrimSpace(reason) == "" {
				return fmt.Errorf("imagecache: host %q cannot be %s without a reason: %q", host, what, reason)
			}
		}
	}
	return nil
}

// resolved fills in the defaults.
func (p Policy) resolved(c Config) Policy {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&p.MinAge, 7*day)
	p.MinAge = max(p.MinAge, c.OriginalMinAge, c.ResizedMinAge)
	def(&p.Retention, 30*day)
	def(&p.Valid, time.Hour)
	def(&p.MaxHeartbeat, 5*time.Minute)
	def(&p.MaxRegister, max(3*c.Interval, 2*time.Hour))
	def(&p.MaxSkew, time.Minute)
	return p
}

// The names under which a policy stands in the Args of a step, so that the
// plan's ID covers it and the guards of a later run use the same.
const (
	argDir       = "instances"
	argMinAge    = "min-age"
	argRetention = "retention"
	argHeartbeat = "max-heartbeat"
	argRegister  = "max-register"
	argSkew      = "max-skew"
	argGone      = "gone "      // and the host
	argElsewhere = "elsewhere " // and the host
)

func (p Policy) args(s Site) map[string]string {
	a := map[string]string{
		argDir: s.baseDir(), argMinAge: p.MinAge.String(), argRetention: p.Retention.String(),
		argHeartbeat: p.MaxHeartbeat.String(), argRegister: p.MaxRegister.String(), argSkew: p.MaxSkew.String(),
	}
	for h, r := range p.Gone {
		a[argGone+h] = r
	}
	for h, r := range p.Elsewhere {
		a[argElsewhere+h] = r
	}
	return a
}

// policyOf is the inverse of args. A policy that is not there is an error,
// not a default: the step was not made by this package.
func policyOf(args map[string]string) (Policy, error) {
	p := Policy{Gone: map[string]string{}, Elsewhere: map[string]string{}}
	for name, d := range map[string]*time.Duration{argMinAge: &p.MinAge, argRetention: &p.Retention,
		argHeartbeat: &p.MaxHeartbeat, argRegister: &p.MaxRegister, argSkew: &p.MaxSkew} {
		v, err := time.ParseDuration(args[name])
		if err != nil || v <= 0 {
			return Policy{}, fmt.Errorf("imagecache: step has %s %q", name, args[name])
		}
		*d = v
	}
	for k, v := range args {
		if h, ok := strings.CutPrefix(k, argGone); ok {
			p.Gone[h] = v
		}
		if h, ok := strings.CutPrefix(k, argElsewhere); ok {
			p.Elsewhere[h] = v
		}
	}
	return p, p.Validate()
}
