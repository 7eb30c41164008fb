package dhcp

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// TestUnseenChecksums: where nobody would have told of wrong checksums they are
// not ruled out, and nothing is done on the strength of it.
func TestUnseenChecksums(t *testing.T) {
	for name, c := range map[string]struct {
		format Format
		want   string
		could  bool
	}{"udhcpc does not tell": {Udhcpc, "replies-lost medium", true}, "networkd does not tell": {Networkd, "replies-lost medium", true},
		"dhclient would tell": {Dhclient, "replies-lost high", false}, "dhcpcd would tell": {Dhcpcd, "replies-lost high", false}} {
		client := trace(ClientLog, script(lease+unasked))
		client.Format = c.format
		v := Judge(&Snapshot{Traces: []*Trace{client, trace(ServerLog, script(lease+answered))}, Until: t0.Add(2000 * time.Second)})[0]
		if got := v.Code + " " + v.Confidence.String(); got != c.want || slices.Contains(v.Could, WrongUDPChecksum) != c.could || (len(v.Remedies()) == 0) != c.could {
			t.Errorf("%s: %s, could be %v, remedies %v", name, got, v.Could, v.Remedies())
		}
		checkVerdict(t, v)
	}
}

// TestLeftOut: a server that answers others while it says nothing to one that
// has no address yet is not silent.
func TestLeftOut(t *testing.T) {
	const asks = "D0 D10 D20 D40 D80"
	for name, c := range map[string]struct {
		other string
		want  string
	}{
		"nobody else": {"", ServerSilent}, "others, meanwhile": {"R1 A1.1 r60 A60.1", PoolExhausted}, "others, not answered": {"R1 A1.1 r60 r70", ServerSilent},
	} {
		tr := trace(ServerCapture, script(asks))
		tr.Tracks[0].Lease = Lease{}
		if c.other != "" {
			other := trace(ServerCapture, script(c.other)).Tracks[0]
			other.MAC = MAC{2}
			if name == "others, not answered" {
				tr = trace(ServerCapture, script("D5 D10 D20 D40 D80"))
				tr.Tracks[0].Lease = Lease{}
			}
			tr.Tracks = append(tr.Tracks, other)
		}
		tr.Until = t0.Add(200 * time.Second)
		v := Judge(&Snapshot{Traces: []*Trace{tr}, Only: []MAC{client}})[0]
		if v.Code != c.want || v.Confidence != stackmend.Medium || len(v.Could) != 2 || len(v.Remedies()) > 0 {
			t.Errorf("%s: %s", name, explain(v))
		}
		checkVerdict(t, v)
	}
	if v := JudgeOne(Conversation{MAC: client, Views: []View{{Track: trace(ServerCapture, script(asks)).Tracks[0], Trace: trace(ServerCapture, script(asks)), Point: ServerCapture}}}); v.Code == "" {
		t.Error("a conversation of one's own has no verdict")
	}
}

// TestRecoveredIsApart: what clients have recovered from is not mixed with what
// lasts; alone it is told.
func TestRecoveredIsApart(t *testing.T) {
	told := func(failing int) (out []string) {
		var s Snapshot
		for i := range 12 {
			text, host := lease+"r500 A500.1", "c2"
			switch {
			case i < failing:
				text, host = lease+unasked, "c1"
			case i >= 8:
				text, host = lease+"r500 r510 r520 r540 A541", "c3"
			}
			tr := trace(ClientLog, script(text))
			tr.Tracks[0].MAC = MAC{2, 0, 0, 0, 0, byte(i)}
			s.Traces = append(s.Traces, tr)
			s.Instances = append(s.Instances, Instance{MAC: MAC{2, 0, 0, 0, 0, byte(i)}, Host: host})
		}
		for _, f := range Check(&s).Findings {
			if f.Code == CodeCommonCause {
				out = append(out, f.Message)
			}
		}
		return out
	}
	if got := told(4); len(got) != 2 || !strings.Contains(got[0], "4 of the 4 clients of host c1 are in trouble, elsewhere 0 of 8") || !strings.Contains(got[1], "4 of 4 troubled") {
		t.Errorf("%q", got)
	}
	if got := told(0); len(got) != 2 || !strings.Contains(got[0], "4 of the 4 clients of host c3") {
		t.Errorf("all are over: %q", got)
	}
}

// TestKeaReboot: that a client asks for the lease that it had before is no
// answer to it.
func TestKeaReboot(t *testing.T) {
	const (
		reboot = "2026-11-20 01:00:00.750 INFO  [kea-dhcp4.leases/1.2] DHCP4_INIT_REBOOT [hwtype=1 fa:16:3e:01:02:03], cid=[no info], tid=0x40504e2e: client is in INIT-REBOOT state and requests address 10.9.9.9\n"
		same   = "2026-11-20 01:00:00.760 INFO  [kea-dhcp4.leases/1.2] DHCP4_LEASE_ALLOC [hwtype=1 fa:16:3e:01:02:03], cid=[no info], tid=0x40504e2e: lease 10.9.9.9 has been allocated for 1000 seconds\n"
		anew   = "2026-11-20 01:00:SS.783 INFO  [kea-dhcp4.leases/1.2] DHCP4_LEASE_ADVERT [hwtype=1 fa:16:3e:01:02:03], cid=[no info], tid=0x68392b37: lease 10.2.0.10 will be advertised\n" +
			"2026-11-20 01:00:SS.784 INFO  [kea-dhcp4.leases/1.2] DHCP4_LEASE_ALLOC [hwtype=1 fa:16:3e:01:02:03], cid=[no info], tid=0x68392b37: lease 10.2.0.10 has been allocated for 1000 seconds\n"
	)
	for name, c := range map[string]struct {
		log, kinds, want string
	}{
		"given":                      {reboot + same, "DHCPREQUEST DHCPACK", Healthy},
		"refused":                    {reboot + strings.ReplaceAll(anew, "SS", "00"), "DHCPREQUEST DHCPDISCOVER DHCPOFFER DHCPREQUEST DHCPACK", ServerRefuses},
		"no answer, as far as known": {reboot + strings.ReplaceAll(anew, "SS", "04"), "DHCPREQUEST DHCPDISCOVER DHCPOFFER DHCPREQUEST DHCPACK", Healthy},
	} {
		tr, err := ReadLog(t.Context(), strings.NewReader(c.log), "kea.log", Kea, ReadOptions{Now: t0.Add(time.Hour)})
		if err != nil || len(tr.Tracks) != 1 {
			t.Fatal(tr, err)
		}
		var kinds []string
		for _, e := range tr.Tracks[0].Events.List() {
			kinds = append(kinds, e.Kind.String())
		}
		v := Judge(&Snapshot{Traces: []*Trace{tr}})[0]
		if got := strings.Join(kinds, " "); got != c.kinds || v.Code != c.want || c.want == ServerRefuses && (v.Status != stackmend.Warn || v.Confidence != stackmend.Medium) {
			t.Errorf("%s: %s\n%s", name, got, explain(v))
		}
		checkVerdict(t, v)
	}
}
