package bootvolume

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// gaveUp reports whether cinder itself says that there will be no volume.
func (c *Create) gaveUp() bool {
	return c != nil && (c.Quota != "" || c.Unscheduled != "")
}

// volumeFailed judges what cinder gave up, in its own words where they are at
// hand.
func volumeFailed(b Boot) verdict {
	v := verdict{code: CodeVolumeFailed, message: "cinder gave the volume up while nova waited: its status was error",
		fix: "look in cinder-scheduler's log (no valid backend was found) and in cinder-volume's; longer waiting does not help"}
	c := b.Cinder
	if c == nil || b.Paired >= ByOrder { // it may be another's
		return v
	}
	switch {
	case c.Unmade != "":
		v.message = fmt.Sprintf("cinder-volume of %s failed to make the volume: %s", c.VolumeHost, short(c.Unmade))
		v.fix = "look at the backend; longer waiting does not help"
	case c.Unscheduled != "":
		v.message = "cinder-scheduler found no backend for the volume: " + short(c.Unscheduled)
		v.fix = "look which filter removed the backends, just before in its log: capacity, availability zone, capabilities; longer waiting does not help"
	}
	v.byOrder = b.Failure == ""
	return v
}

// tooSlow judges a volume that nova did not wait for, and says where it was.
func (s judging) tooSlow(b Boot) verdict {
	v := verdict{code: CodeTooSlow, message: "nova gave up waiting while the volume was being made",
		fix: "raise block_device_allocate_retries on the compute hosts, and find out why the volume service is slow"}
	c := b.Cinder
	switch {
	case c == nil || b.Paired >= ByOrder:
	case !c.Made.IsZero():
		if took := b.took(); took > 0 {
			v.message += fmt.Sprintf("; cinder-volume of %s had it made %v after nova had asked", c.VolumeHost, took.Round(time.Millisecond))
		}
	case !c.Making.IsZero():
		v.message += fmt.Sprintf("; cinder-volume of %s has begun, and its log does not have the end", c.VolumeHost)
	case s.Logs.covers(Volume, b.Ended):
		v.message += "; no cinder-volume whose log is at hand has begun it"
	}
	return v
}

// took is how long the last volume of a boot took to be made, from nova's ask
// on; 0: not seen.
func (b Boot) took() time.Duration {
	if b.Cinder == nil || b.Cinder.Made.IsZero() || len(b.Asks) == 0 {
		return 0
	}
	return max(0, b.Cinder.Made.Sub(b.Asks[len(b.Asks)-1].At))
}

// orphans finds volumes that were created after their caller had gone, or whose
// caller did not learn of them. Nova deletes none that it was not told of.
func orphans(b Boot) (all []stackmend.Finding) {
	for n, a := range b.Asks {
		for i, p := range a.Posts {
			last := n == len(b.Asks)-1 && i == len(a.Posts)-1
			if message := b.orphan(p, last); message != "" {
				all = append(all, stackmend.Finding{Code: CodeOrphanVolume, Status: stackmend.Warn, Subject: p.Cinder.subject(b),
					Confidence: a.Paired.confidence(), Message: message, Evidence: b.evidence(p),
					Fix: "look whether it is available and without an attachment; delete it once you know that it is nobody's"})
			}
		}
	}
	return all
}

// orphan says why a volume is one; "": it is none, or nothing tells.
func (b Boot) orphan(p Post, last bool) string {
	c := p.Cinder
	if c == nil || !c.Deleted.IsZero() || c.Unscheduled != "" || c.Accepted.IsZero() && c.Made.IsZero() {
		return ""
	}
	gone := p.HAProxy != nil && p.HAProxy.timedOut()
	doubt := slack // clocks were not compared
	if b.Paired == ByRequest {
		doubt = margin
	}
	switch end := p.end(); {
	case gone && (!last || b.Failure != ""):
		return fmt.Sprintf("cinder created a volume though HAProxy had told nova that it would not, at %s; nobody will use or delete it", stampText(end))
	case !last || b.Failure == "" || b.Ended.IsZero():
		return ""
	case c.Accepted.Sub(b.Ended) > doubt:
		return fmt.Sprintf("cinder created a volume %v after nova had given up; nobody will use or delete it", c.Accepted.Sub(b.Ended).Round(time.Millisecond))
	case c.Made.Sub(b.Ended) > doubt:
		return fmt.Sprintf("cinder-volume of %s made the volume %v after nova had given up; nobody will use or delete it", c.VolumeHost, c.Made.Sub(b.Ended).Round(time.Millisecond))
	case !c.Made.IsZero() && (tooSlow.MatchString(b.Failure) || notFound.MatchString(b.Failure)):
		return "cinder-volume of " + c.VolumeHost + " made the volume, and nova gave up without it; no request to delete it is in the logs at hand"
	}
	return ""
}

// subject is the volume, or the request where only cinder-volume's log would
// have told the volume.
func (c *Create) subject(b Boot) string {
	if c.Volume != "" {
		return "volume " + c.Volume
	}
	if b.Request == "" {
		return "instance " + b.Instance
	}
	return "request " + b.Request
}

// withoutCompute says of how many requests for servers no compute's log is at
// hand: of their instances nothing is judged.
func (s judging) withoutCompute() []stackmend.Finding {
	seen := make(map[string]bool)
	for _, e := range s.Logs.Events {
		if e.Kind.source() == Compute {
			seen[e.Request] = true
		}
	}
	var missing []Event
	all := 0
	for _, e := range s.Logs.Events {
		if e.Kind != Received || e.Request == "" {
			continue
		}
		if all++; !seen[e.Request] {
			missing = append(missing, e)
		}
	}
	if len(missing) == 0 || len(seen) == 0 {
		return nil
	}
	first := slices.MinFunc(missing, func(a, b Event) int { return a.At.Compare(b.At) })
	return []stackmend.Finding{{Code: CodeUnseen, Status: stackmend.Unknown, Subject: s.Subject,
		Message: fmt.Sprintf("of %d requests for servers that nova-api took up, %d are in no nova-compute log at hand, the first at %s: %s",
			all, len(missing), stampText(first.At), strings.ToValidUTF8(first.Request, "?")),
		Fix: "give the logs of all computes; if they are all there, nova-scheduler found no host"}}
}
