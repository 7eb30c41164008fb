package watchdog

import "time"

// Level is how near an OSD is to its limit, and so what is to be done.
type Level uint8

// The levels.
const (
	Quiet    Level = iota
	Near           // warn, and let the other hosts know
	Release        // ask it to give memory back
	Due            // restart it when its turn has come
	Critical       // only just time for a stop
)

var levelNames = [...]string{"quiet", "near", "release", "due", "critical"}

func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return "level?"
}

// Held is why an OSD that is due is not restarted.
type Held uint8

// The reasons.
const (
	Free         Held = iota
	HeldSettling      // the process is young
	HeldCooling       // it was restarted a moment ago
	HeldUseless       // the last restart did not help
	HeldFollows       // another OSD under the same limit grows faster
	HeldOutside       // what grows is not the OSDs
)

var heldWords = [...]string{
	"",
	"its process is young, and loading its logs",
	"it was restarted a moment ago: recovery grows an OSD without any leak, and each restart counts towards osd_max_markdown_count",
	"its last restart did not help: the memory came back at once",
	"another OSD under the same limit grows faster and goes first",
	"most of the growth under this limit is not the OSDs'",
}

func (h Held) String() string {
	if int(h) < len(heldWords) {
		return heldWords[h]
	}
	return "?"
}

// A Verdict is what is to be done about one OSD.
type Verdict struct {
	Level       Level
	Held        Held
	Stop, Cycle time.Duration
	Measured    bool // Stop was
}

// Judge decides about one OSD. It does not allocate.
func Judge(o *Outlook, h History, now time.Time, p Policy) Verdict {
	p = p.orDefaults()
	var v Verdict
	v.Stop, v.Cycle, v.Measured = h.Times(o.ID, p)
	need := v.Stop + p.Margin
	switch {
	case !o.Steady:
		return v
	case o.Left >= max(p.Horizon, 2*need):
		if !strained(o, p) && (o.Room < 0 || o.Cap <= 0 || float64(o.Room) >= p.Full*float64(o.Cap)) {
			return v
		}
		v.Level = Near
	case o.Left >= 2*need:
		if v.Level = Near; strained(o, p) {
			v.Level = Release
		}
	case o.Left >= need:
		v.Level = Release
	case o.Left >= v.Stop+p.Margin/3:
		v.Level = Due
	default:
		v.Level = Critical
	}
	v.Held = held(o, h, now, p)
	return v
}

// strained reports whether the kernel has to work for memory. That comes too
// late, and has too many harmless causes, to restart an OSD; it brings a warning
// and a request for memory forward. A limit that is met while nothing grows
// towards it is met by page cache.
func strained(o *Outlook, p Policy) bool {
	return o.Stalled >= p.Stalled || o.Met > 0 && o.Left != Never
}

func held(o *Outlook, h History, now time.Time, p Policy) Held {
	last, ok := h.Last(o.ID)
	switch {
	case o.Outside:
		return HeldOutside
	case ok && last.Useless(p) && now.Sub(last.At) < p.Hold:
		return HeldUseless
	case ok && now.Sub(last.At) < p.CoolDown:
		return HeldCooling
	case o.Age < p.Settle:
		return HeldSettling
	case !o.Leads:
		return HeldFollows
	}
	return Free
}
