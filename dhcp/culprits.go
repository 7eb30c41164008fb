package dhcp

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stackmend/stackmend"
)

// culprits names what is known to cause such trouble and was found on the
// host. It is Warn where a client in trouble is concerned, else OK.
func (s *Snapshot) culprits(all *summary) (out []stackmend.Finding) {
	if s.Host == nil {
		return nil
	}
	troubled := map[MAC]bool{}
	taps := map[string]bool{}
	for _, t := range all.troubled {
		troubled[t.mac], taps[t.tap] = true, true
	}
	for _, t := range s.Host.Taps {
		out = append(out, t.culprit(taps)...)
	}
	for _, g := range s.Host.Guests {
		out = append(out, g.culprits(troubled)...)
	}
	return append(out, s.Host.servers(all)...)
}

func culprit(subject, message, fix string, concerned bool) stackmend.Finding {
	f := stackmend.Finding{Code: CodeCulprit, Status: stackmend.OK, Subject: subject, Message: message, Fix: fix, Confidence: stackmend.Low}
	if concerned {
		f.Status, f.Confidence = stackmend.Warn, stackmend.Medium
	}
	return f
}

// culprit: packets were dropped on their way into the instance.
func (t Tap) culprit(taps map[string]bool) []stackmend.Finding {
	concerned := taps[t.Name]
	if t.TXDropped == 0 || !concerned && t.TXDropped < t.TXPackets/100 {
		return nil
	}
	return []stackmend.Finding{culprit(t.Name, fmt.Sprintf("%d packets towards the instance were dropped at its tap, %d passed: the instance does not read, or did not at times", t.TXDropped, t.TXPackets),
		"look whether the number grows; while it does, the instance is deaf", concerned)}
}

// culprits: a qemu of the age of launchpad 997978, frames that go through
// qemu itself.
func (g Guest) culprits(troubled map[MAC]bool) (out []stackmend.Finding) {
	concerned := slices.ContainsFunc(g.MACs, func(m MAC) bool { return troubled[m] })
	subject := "qemu " + cmp.Or(g.Name, strconv.Itoa(g.PID))
	if major, minor, ok := version(g.Version); ok && (major < 1 || major == 1 && minor == 0) {
		out = append(out, culprit(subject, fmt.Sprintf("qemu %s is of the age in which launchpad 997978 was reported: the instance's network stops under heavy traffic", g.Version),
			"upgrade qemu and start the instance anew; two days of iperf3 through it prove whether that mends it", concerned))
	}
	if g.Virtio && !g.VHost && concerned {
		out = append(out, culprit(subject, "vhost-net is off: the instance's frames go through qemu itself, where launchpad 997978 was",
			"load vhost_net and start the instance anew", concerned))
	}
	return out
}

// version reads the first two numbers of a version.
func version(text string) (major, minor int, ok bool) {
	parts := strings.SplitN(text, ".", 3)
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		return 0, 0, false
	}
	digits := strings.IndexFunc(parts[1], func(r rune) bool { return r < '0' || r > '9' })
	if digits < 0 {
		digits = len(parts[1])
	}
	minor, err = strconv.Atoi(parts[1][:digits])
	return major, minor, err == nil
}

// servers looks at the options of dnsmasq that are known to lose leases.
func (h *Host) servers(all *summary) (out []stackmend.Finding) {
	refused, exhausted := all.is(ServerRefuses), all.is(PoolExhausted)
	authoritative := map[string]int{}
	for _, p := range h.Dnsmasq {
		device := p.option("interface")
		if p.has("dhcp-authoritative") {
			authoritative[device]++
		}
		subject := strings.TrimSpace(fmt.Sprintf("dnsmasq %d %s", p.PID, device))
		if p.has("leasefile-ro") && p.option("dhcp-script") == "" && refused {
			out = append(out, culprit(subject, "it keeps no leases over a restart (leasefile-ro, no dhcp-script): after one it refuses renewals (launchpad 1345947)", "give it its lease file or script back", true))
		}
		if limit := p.option("dhcp-lease-max"); limit != "" && exhausted {
			out = append(out, culprit(subject, "it gives no more than "+limit+" leases (dhcp-lease-max)", "raise it above the number of instances", true))
		}
	}
	for device, n := range authoritative {
		if n > 1 && device != "" {
			out = append(out, culprit("dnsmasq "+device, fmt.Sprintf("%d authoritative servers listen on %s: each refuses the leases of the other (launchpad 1457900)", n, device), "run one, or without --dhcp-authoritative", refused))
		}
	}
	slices.SortFunc(out, func(a, b stackmend.Finding) int { return cmp.Compare(a.Subject+a.Message, b.Subject+b.Message) })
	return out
}

func (p Process) has(name string) bool { return slices.Contains(p.Args, "--"+name) }

func (p Process) option(name string) string {
	for i, a := range p.Args {
		if value, ok := strings.CutPrefix(a, "--"+name+"="); ok {
			return value
		}
		if a == "--"+name && i+1 < len(p.Args) && !strings.HasPrefix(p.Args[i+1], "-") {
			return p.Args[i+1]
		}
	}
	return ""
}
