package pressure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/flags"
)

// A knob is something that stands at a value and can be set to another one.
type knob interface {
	// get reads the value from where it is kept.
	get(ctx context.Context, c ceph.Commander, m flags.Map) (string, error)
	put(ctx context.Context, c ceph.Commander, value string) error
}

// knobOf returns the knob that a step turns, and refuses what this package
// does not plan: a plan is input from outside, and does not set whatever it
// names.
func knobOf(s stackmend.Step) (knob, error) {
	first, second, _ := strings.Cut(s.Target, " ")
	switch s.Verb {
	case VerbFlag:
		f, err := flags.Parse(s.Target)
		return flagKnob(f), err
	case VerbConfig:
		if changeable(first, second) {
			return configKnob{first, second}, nil
		}
	case VerbInject:
		if changeable(first, second) {
			return newInjectKnob(first, second, s), nil
		}
	case VerbPool:
		if second == "pg_autoscale_mode" && first != "" {
			return poolKnob(first), nil
		}
	case VerbBalancer:
		if s.Target == "balancer" {
			return balancerKnob{}, nil
		}
	case VerbReweight:
		if id, err := osdID(s.Target); err == nil {
			return weightKnob(id), nil
		}
	default:
		return nil, fmt.Errorf("%w: ceph/pressure: unknown verb %q", stackmend.ErrRefused, s.Verb)
	}
	return nil, fmt.Errorf("%w: ceph/pressure: does not %s", stackmend.ErrRefused, s)
}

// changeable are the settings that a step may change.
func changeable(who, name string) bool {
	_, err := osdID(who)
	switch name {
	case "osd_max_backfills", "osd_mclock_profile", "osd_recovery_max_active", "osd_recovery_op_priority", "osd_recovery_sleep",
		"osd_op_thread_timeout", "osd_op_thread_suicide_timeout", "osd_recovery_thread_timeout", "osd_recovery_thread_suicide_timeout",
		"osd_pg_max_concurrent_snap_trims", "osd_snap_trim_priority",
		"osd_min_pg_log_entries", "osd_max_pg_log_entries", "osd_pg_log_trim_min", "osd_pg_log_trim_max", "osd_target_pg_log_entries_per_osd":
		return who == "osd"
	case "osd_memory_target":
		return err == nil
	}
	return false
}

func osdID(name string) (int, error) {
	text, ok := strings.CutPrefix(name, "osd.")
	id, err := strconv.Atoi(text)
	if !ok || err != nil || id < 0 || strconv.Itoa(id) != text {
		return 0, fmt.Errorf("%w: ceph/pressure: %q is not an OSD", stackmend.ErrRefused, name)
	}
	return id, nil
}

type flagKnob flags.Flag

func (k flagKnob) get(_ context.Context, _ ceph.Commander, m flags.Map) (string, error) {
	return strconv.FormatBool(m.Has(flags.Flag(k))), nil
}

func (k flagKnob) put(ctx context.Context, c ceph.Commander, value string) error {
	return flags.Put(ctx, c, flags.Flag(k), value == "true")
}

type poolKnob string

func (k poolKnob) get(_ context.Context, _ ceph.Commander, m flags.Map) (string, error) {
	mode, ok := m.Modes[string(k)]
	if !ok || mode == "" {
		return "", fmt.Errorf("%w: ceph/pressure: the map has no pool %q that the autoscaler knows", stackmend.ErrRefused, string(k))
	}
	return mode, nil
}

// put: Similar To: ceph osd pool set POOL pg_autoscale_mode off
func (k poolKnob) put(ctx context.Context, c ceph.Commander, value string) error {
	return tell(ctx, c, mon, "osd pool set", ceph.Arg{Name: "pool", Value: string(k)}, ceph.Arg{Name: "var", Value: "pg_autoscale_mode"}, ceph.Arg{Name: "val", Value: value})
}

type balancerKnob struct{}

func (balancerKnob) get(ctx context.Context, c ceph.Commander, _ flags.Map) (string, error) {
	b, err := ceph.Ask(ctx, c, ceph.Command{To: mgr, Prefix: "balancer status"})
	if err != nil {
		return "", err
	}
	var s struct{ Active *bool }
	if err := json.Unmarshal(b, &s); err != nil {
		return "", fmt.Errorf("balancer status: %w", err)
	}
	if s.Active == nil {
		return "", errors.New("ceph/pressure: balancer status does not say whether it is active")
	}
	return onOff(*s.Active), nil
}

// put: Similar To: ceph balancer off
func (balancerKnob) put(ctx context.Context, c ceph.Commander, value string) error {
	if value != "on" && value != "off" {
		return fmt.Errorf("%w: ceph/pressure: a balancer is not %q", stackmend.ErrRefused, value)
	}
	return tell(ctx, c, mgr, "balancer "+value)
}

type weightKnob int

func (k weightKnob) get(_ context.Context, _ ceph.Commander, m flags.Map) (string, error) {
	for _, o := range m.OSDs {
		if o.ID == int(k) {
			return weight(o.Weight), nil
		}
	}
	return "", fmt.Errorf("%w: ceph/pressure: osd.%d is not in the map", stackmend.ErrRefused, int(k))
}

// put: Similar To: ceph osd reweight 3 0.90
func (k weightKnob) put(ctx context.Context, c ceph.Commander, value string) error {
	w, err := strconv.ParseFloat(value, 64)
	if err != nil || !(w >= 0 && w <= 1) {
		return fmt.Errorf("%w: ceph/pressure: a weight of %q", stackmend.ErrRefused, value)
	}
	return tell(ctx, c, mon, "osd reweight", ceph.Arg{Name: "id", Value: int(k)}, ceph.Arg{Name: "weight", Value: w})
}

// weight writes a reweight as the map keeps it, in 65536ths, to two places.
func weight(w float64) string { return strconv.FormatFloat(w, 'f', 2, 64) }
