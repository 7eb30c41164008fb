package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/cli"
)

// run runs the tool as a program would be.
func run(ctx context.Context, args ...string) (status int, out, errs string) {
	var o, e bytes.Buffer
	status = tool(&e).Run(ctx, args, cli.Streams{Out: &o, Err: &e, Getenv: func(string) string { return "" }})
	return status, o.String(), e.String()
}

const data = "../../dhcp/testdata/dhclient/"

func TestSides(t *testing.T) {
	svg := filepath.Join(t.TempDir(), "break.svg")
	dir := data + "rx-dead/"
	status, out, errs := run(t.Context(), "-dnsmasq", dir+"dnsmasq.log", "-dhclient", dir+"dhclient.log", "-server-pcap", dir+"server.pcap",
		"-client-pcap", "fa:16:3e:24:e7:22="+dir+"client.pcap", "-mac", "fa:16:3e:24:e7:22", "-svg", svg, "-json")
	var r stackmend.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	if status != 2 || len(r.Findings) != 1 || r.Findings[0].Code != "instance-deaf" || r.Findings[0].Confidence != stackmend.High {
		t.Errorf("status %d, %+v", status, r.Findings)
	}
	if b, err := os.ReadFile(svg); err != nil || !bytes.Contains(b, []byte("the break")) {
		t.Errorf("%v\n%.300s", err, b)
	}
	status, out, _ = run(t.Context(), "-dnsmasq", data+"normal/dnsmasq.log")
	if status != 3 || !strings.Contains(out, "that lease ran out") {
		t.Errorf("of an old log, status %d: %s", status, out)
	}
	status, out, _ = run(t.Context(), "-dnsmasq", data+"normal/dnsmasq.log", "-until", "2026-11-26T02:00:30Z")
	if status != 0 || !strings.Contains(out, "healthy") {
		t.Errorf("%d %s", status, out)
	}
}

func TestUsage(t *testing.T) {
	log := data + "normal/dnsmasq.log"
	for args, want := range map[string]int{
		"":                               64,
		"-dnsmasq /nonexistent/x":        64,
		"-mac x -dnsmasq " + log:         64,
		"-until soon -dnsmasq " + log:    64,
		"-zone No/Where -dnsmasq " + log: 64,
		"-svg x.svg -dnsmasq /dev/null":  64,
		"-server-pcap " + log:            3,
		"-follow -server-pcap " + data + "normal/server.pcap":                                            64,
		"-from link-down-up -dnsmasq " + log:                                                             64,
		"-apply -dnsmasq " + log:                                                                         64,
		"-revive fa:16:3e:24:e7:22 -dnsmasq " + log:                                                      64, // is it being written?
		"-revive fa:16:3e:24:e7:22 -until now -dnsmasq -":                                                64,
		"-revive all -follow -until now -dnsmasq " + log:                                                 64,
		"-revive all -from reboot -until now -dnsmasq " + log:                                            64,
		"-soak 48h -until now -dnsmasq " + log:                                                           64,
		"-soak 48h -mac fa:16:3e:24:e7:22 -dnsmasq " + log:                                               64,
		"-soak -1h -mac fa:16:3e:24:e7:22 -until now -dnsmasq " + log:                                    64,
		"-soak 480000h -mac fa:16:3e:24:e7:22 -until now -dnsmasq " + log:                                64,
		"-soak 1h -revive all -mac fa:16:3e:24:e7:22 -until now -dnsmasq " + log:                         64,
		"-soak 1h -soak-to here -mac fa:16:3e:24:e7:22 -until now -dnsmasq " + log:                       64,
		"-soak 1h -soak-direction up -mac fa:16:3e:24:e7:22 -until now -dnsmasq " + log:                  64,
		"-soak-streams 2 -dnsmasq " + log:                                                                64,
		"-soak 1h -mac fa:16:3e:24:e7:22 -until now -dnsmasq " + log:                                     3, // its lease is over
		"-revive x -until now -dnsmasq " + log:                                                           64,
		"-revive= -until now -dnsmasq " + log:                                                            64,
		"-revive all -revive 2:0:0:0:0:1 -until now -dnsmasq " + log:                                     64,
		"-revive all -wait 0 -until now -dnsmasq " + log:                                                 64,
		"-revive all -until now -dnsmasq " + log:                                                         3, // that no renewal came is no verdict to act on
		"-revive all -apply -until now -journal " + filepath.Join(t.TempDir(), "j") + " -dnsmasq " + log: 4,
		"-revive all -until now -instances virsh -virsh /nonexistent/virsh -dnsmasq " + log:              3,
	} {
		if status, out, errs := run(t.Context(), strings.Fields(args)...); status != want {
			t.Errorf("%s: status %d, want %d\n%s%s", args, status, want, out, errs)
		}
	}
}

// TestFollow: a verdict that changes is told while the log grows.
func TestFollow(t *testing.T) {
	b, err := os.ReadFile(data + "nak-wrong-network/dnsmasq.log")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "d.log")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var o bytes.Buffer
	told := &awaited{text: "server-refuses", found: stop}
	tool(told).Run(ctx, []string{"-dnsmasq", path, "-follow"}, cli.Streams{Out: &o, Err: told, Getenv: func(string) string { return "" }})
	if !strings.Contains(told.String(), "server-refuses") {
		t.Error(told.String())
	}
}

// awaited ends a test's waiting once it was told what it waits for.
type awaited struct {
	bytes.Buffer
	text  string
	found func()
}

func (a *awaited) Write(b []byte) (int, error) {
	n, err := a.Buffer.Write(b)
	if strings.Contains(a.String(), a.text) {
		a.found()
	}
	return n, err
}
