package live

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/bootvolume"
	"github.com/stackmend/stackmend/internal/lab/haproxy"
	"github.com/stackmend/stackmend/internal/lab/openstack"
)

// before cinder-api: HAProxy as in the incident, but quicker to give up.
const beforeCinder = `
defaults
    mode http
    log global
    option httplog
    timeout connect 5s
    timeout client 60s
    timeout server 12s
listen cinder
    bind ADDR:18776
    capture request header X-OpenStack-Request-ID len 64
    balance source
    server ctl1 ADDR:8776
`

// bootVolumes boots a batch onto new volumes with one fault after the other
// put in, and asks the logs of nova, HAProxy and cinder where each was lost.
func bootVolumes(t *testing.T, w *world) {
	proxy := haproxy.Start(t, t.TempDir(), strings.ReplaceAll(beforeCinder, "ADDR", w.Addr))
	w.VolumesThrough(t, "c01", w.Addr+":18776", 12)
	boot := func(name string) openstack.Boot { return openstack.Boot{Name: name, Host: "c01", Volume: true} }

	well := w.Boot(t, boot("well"))[0]
	ask(t, proxy, "disable server cinder/ctl1")
	refused := w.Lose(t, boot("refused"))
	ask(t, proxy, "enable server cinder/ctl1")
	w.Delete(t, refused) // nova's own quota is ten instances
	thaw := w.Freeze(t, "cinder-api")
	frozen := w.Lose(t, boot("frozen"))
	thaw()
	w.becomes(t, "a volume whose caller has gone", func() bool { return w.CountVolumes(t, "available") > 0 })
	w.LimitVolumes(t, w.CountVolumes(t, ""))
	quota := w.Lose(t, boot("quota"))
	w.LimitVolumes(t, -1)
	thaw = w.Freeze(t, "cinder-volume")
	slow := w.Lose(t, boot("slow"))
	thaw()
	for _, id := range []string{well, frozen, quota, slow} {
		w.Delete(t, id)
	}

	r := bootvolume.Check(w.lines(t, proxy))
	got := map[string]string{}
	orphans := 0
	for _, f := range r.Findings {
		if id, ok := strings.CutPrefix(f.Subject, "instance "); ok {
			got[id] = f.Code
		}
		if f.Code == bootvolume.CodeOrphanVolume {
			orphans++
		}
	}
	want := map[string]string{refused: bootvolume.CodeHAProxyRefused, frozen: bootvolume.CodeHAProxyTimeout, quota: bootvolume.CodeOverQuota, slow: bootvolume.CodeTooSlow}
	if !maps.Equal(got, want) || orphans != 2 { // of frozen, and of slow
		t.Errorf("%v, want %v, and %d orphans; %s runs", got, want, orphans, well)
		for _, f := range r.Findings {
			t.Logf("%s %s: %s %+v", f.Subject, f.Code, f.Message, f.Evidence)
		}
	}
}

func ask(t *testing.T, p *haproxy.Proxy, command string) {
	t.Helper()
	if said, err := p.Ask(command); err != nil || strings.TrimSpace(said) != "" {
		t.Fatalf("%s: %q, %v", command, said, err)
	}
}

// lines are what nova, HAProxy and cinder have logged.
func (w *world) lines(t *testing.T, proxy *haproxy.Proxy) *bootvolume.Snapshot {
	t.Helper()
	s := &bootvolume.Snapshot{Subject: "the cloud", Taken: time.Now()}
	logs := w.services()
	logs[proxy.Log] = bootvolume.Log{Source: bootvolume.HAProxy, Host: "ctl1"}
	readLogs(t, s, time.Time{}, logs)
	return s
}

// services are the logs of nova and cinder.
func (w *world) services() map[string]bootvolume.Log {
	return map[string]bootvolume.Log{
		w.Log("nova-api"):         {Source: bootvolume.NovaAPI, Host: "ctl1"},
		w.Log("nova-compute-c01"): {Source: bootvolume.Compute, Host: "c01"},
		w.Log("cinder-api"):       {Source: bootvolume.API, Host: "ctl1"},
		w.Log("cinder-scheduler"): {Source: bootvolume.Scheduler, Host: "ctl1"},
		w.Log("cinder-volume"):    {Source: bootvolume.Volume, Host: "ctl1"},
	}
}

func readLogs(t *testing.T, s *bootvolume.Snapshot, since time.Time, logs map[string]bootvolume.Log) {
	t.Helper()
	for path, l := range logs {
		l.Now, l.Zone, l.Since = time.Now(), time.Local, since
		if err := s.Logs.ReadFiles(soon(t), os.DirFS(filepath.Dir(path)), filepath.Base(path), l); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) becomes(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(time.Second) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}
