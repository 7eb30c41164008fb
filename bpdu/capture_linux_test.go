package bpdu

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// The capture hears what an instance sends although its tap is filtered, by
// which tap it came in, and nothing but BPDUs.
func TestCapture(t *testing.T) {
	r := newRig(t)
	r.apply(Selection{Taps: []string{"tap1"}})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	heard := make(chan *Capture)
	go func() {
		c, err := r.Capture(ctx, time.Hour, 200)
		if err != nil {
			t.Error(err)
		}
		heard <- c
	}()
	var c *Capture
	for c == nil { // when it has begun is not told: send until it has had enough
		r.inst1.sendAll()
		r.inst2.sendAll()
		select {
		case c = <-heard:
		case <-time.After(time.Millisecond):
		}
	}
	if !c.Limited {
		t.Error("200 frames were the limit")
	}
	got := map[string]Talker{}
	for _, ta := range c.Talkers {
		if !ta.Out {
			got[ta.Device+" "+ta.MAC] = ta
		}
	}
	for i, name := range frameNames {
		isBPDU := i > 0 && name != "lacp" && name != "lldp" && name != "ordinary"
		mac := macText([]byte{0xfa, 0x16, 0x3e, 0, 0, byte(i)})
		at1, ok1 := got["tap1 "+mac]
		_, ok2 := got["tap2 "+mac]
		if ok1 != isBPDU || ok2 != isBPDU {
			t.Errorf("%s: heard at tap1 %v, at tap2 %v", name, ok1, ok2)
		}
		if name == "config-tag100" && !slices.Equal(at1.Example.Tags, []int{100}) {
			t.Errorf("tags %v", at1.Example.Tags)
		}
	}
	if slices.ContainsFunc(c.Talkers, func(ta Talker) bool { return ta.Out && ta.Device == "up0" && ta.MAC == "" }) {
		t.Error("a talker without MAC")
	}
	h, err := r.Observe(t.Context())
	r.must(err)
	cloud := &Cloud{Ports: []Port{{ID: "1", MAC: "fa:16:3e:00:00:02", Device: "s1"}}}
	if res := Check(&Snapshot{Subject: "node", Host: h, Capture: c, Cloud: cloud}); res.Status != stackmend.Fail {
		t.Errorf("BPDUs leave by the uplink, and the status is %v", res.Status)
	}
}

func TestWatch(t *testing.T) {
	n := newNamespace(t)
	ctx, stop := context.WithCancel(t.Context())
	changes, err := n.Watch(ctx, 10*time.Millisecond)
	n.must(err)
	for i := range 3 {
		n.tap("tap" + string(rune('1'+i)))
		select {
		case <-changes:
		case <-time.After(time.Minute):
			t.Fatal("a tap came, and nothing is told")
		}
	}
	stop()
	for range changes { // ends
	}
}

// A process without privileges can read links, and is told what it lacks.
func TestNoTable(t *testing.T) {
	n := newNamespace(t)
	h, err := n.Observe(t.Context())
	n.must(err)
	if h.Table != nil || len(h.Unseen) > 0 || len(h.Links) == 0 {
		t.Errorf("%+v", h)
	}
}
