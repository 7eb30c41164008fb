package bpdu

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// As ovsdb-server 3.1 answers, with an echo of its own before.
const ovsAnswer = `{"id":"echo","method":"echo","params":[]}
{"error":null,"id":"stackmend","result":[{"rows":[
{"name":"br-int","other_config":["map",[["forward-bpdu","true"],["x","y"]]],"ports":["set",[["uuid","u1"],["uuid","u2"]]],"rstp_enable":false,"stp_enable":false},
{"name":"br-ex","other_config":["map",[]],"ports":["uuid","u3"],"rstp_enable":false,"stp_enable":true}]},
{"rows":[{"_uuid":["uuid","u1"],"name":"tap1"},{"_uuid":["uuid","u2"],"name":"br-int"},{"_uuid":["uuid","u3"],"name":"eth0"}]}]}`

func TestReadOVS(t *testing.T) {
	got, err := readOVS(strings.NewReader(ovsAnswer))
	if err != nil {
		t.Fatal(err)
	}
	want := &OVS{[]OVSBridge{{Name: "br-int", ForwardBPDU: true, Ports: []string{"br-int", "tap1"}}, {Name: "br-ex", STP: true, Ports: []string{"eth0"}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, bad := range []string{"", "{", ovsAnswer[:len(ovsAnswer)/2], `{"id":"stackmend","error":"no database","result":null}`,
		`{"id":"stackmend","error":null,"result":[{"error":"permission error"},{"rows":[]}]}`, `{"id":"stackmend","result":[]}`} {
		if o, err := readOVS(strings.NewReader(bad)); err == nil {
			t.Errorf("%q: %+v", bad, o)
		}
	}
}

// A server that takes the question and never answers is not waited for.
func TestReadOVSHangs(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	go func() { _, _ = io.Copy(io.Discard, there) }()
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err := ReadOVS(ctx, here); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func FuzzReadOVS(f *testing.F) {
	f.Add([]byte(ovsAnswer))
	f.Fuzz(func(t *testing.T, in []byte) {
		o, err := readOVS(strings.NewReader(string(in)))
		if (o == nil) == (err == nil) {
			t.Errorf("%v %v", o, err)
		}
	})
}
