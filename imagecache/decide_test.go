package imagecache

import (
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// What decides imports nothing that could look at the world.
func TestDecidingIsPure(t *testing.T) {
	allowed := []string{"fmt", "path", "slices", "maps", "strings", "strconv", "time", "cmp", "crypto/sha1", "encoding/hex", "github.com/stackmend/stackmend"}
	for _, name := range []string{"decide.go", "missing.go", "plans.go", "purge.go", "account.go", "uses.go", "policy.go", "chain.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if p, _ := strconv.Unquote(i.Path.Value); !slices.Contains(allowed, p) {
				t.Errorf("%s imports %s", name, p)
			}
		}
		b, err := os.ReadFile(name)
		if err != nil || strings.Contains(string(b), "time.Now") || strings.Contains(string(b), "time.Since") {
			t.Errorf("%s reads the clock (%v)", name, err)
		}
	}
}

func (c *cloud) quarantine(p Policy) *stackmend.Plan {
	c.t.Helper()
	plan, err := Quarantine(c.observe(), p)
	c.must(err)
	return plan
}

func targets(p *stackmend.Plan) string {
	var names []string
	for _, s := range p.Steps {
		names = append(names, s.Verb+" "+s.Target)
	}
	return strings.Join(names, ", ")
}

func kept(p *stackmend.Plan, name string) string {
	for _, k := range p.Kept {
		if k.Target == name {
			return k.Reason
		}
	}
	return "(not kept)"
}

// While a host cannot be accounted for nothing is planned, everything is
// kept, and the host is named.
func TestUnaccounted(t *testing.T) {
	for name, c := range map[string]struct {
		change func(c *cloud)
		want   string // in the refusals; "": none
	}{
		"all well":            {func(c *cloud) {}, ""},
		"down":                {func(c *cloud) { c.fleet.Services[1].State = "down" }, "host c02: its nova-compute is \"down\""},
		"forced down":         {func(c *cloud) { c.fleet.Services[1].ForcedDown = true }, "host c02: its nova-compute is forced down"},
		"disabled, silent":    {func(c *cloud) { c.fleet.Services[1].State, c.fleet.Services[1].Status = "down", "disabled" }, "host c02"},
		"disabled, up":        {func(c *cloud) { c.fleet.Services[1].Status = "disabled" }, ""},
		"cell silent":         {func(c *cloud) { c.fleet.Services[1] = Service{Host: "c02", Status: "UNKNOWN"} }, "host c02"},
		"no heartbeat":        {func(c *cloud) { c.fleet.Services[1].Updated = time.Time{} }, "host c02: nova does not say when"},
		"heartbeat old":       {func(c *cloud) { c.fleet.Services[1].Updated = time.Now().Add(-time.Hour) }, "host c02: its nova-compute reported 1h0m0s ago"},
		"heartbeat ahead":     {func(c *cloud) { c.fleet.Services[1].Updated = time.Now().Add(time.Hour) }, "clock skew"},
		"never registered":    {func(c *cloud) { delete(c.hosts, "c02"); c.register() }, "host c02: it has not registered"},
		"silent for 25 h":     {func(c *cloud) { c.hosts["c02"] = 25 * time.Hour; c.register() }, "host c02: it registered in compute_nodes 25h0m0s ago"},
		"clock ahead":         {func(c *cloud) { c.hosts["c02"] = -25 * time.Hour; c.register() }, "clock skew"},
		"registry cut":        {func(c *cloud) { c.write("compute_nodes", []byte(`{"c01": 17953`)) }, "compute_nodes is damaged"},
		"registry empty":      {func(c *cloud) { c.write("compute_nodes", nil) }, "compute_nodes is empty"},
		"registry null":       {func(c *cloud) { c.write("compute_nodes", []byte("null")) }, "names no host"},
		"registered, unknown": {func(c *cloud) { c.hosts["c09"] = time.Minute; c.register() }, "host c09: nova lists no nova-compute"},
		"server elsewhere":    {func(c *cloud) { c.fleet.Servers[1].Host = "c09" }, "host c09: nova lists no nova-compute"},
		"no directory":        {func(c *cloud) { c.fleet.Servers[1].ID = strings.Replace(serverB, "2", "3", 1) }, "host c02: 1 of its servers have no directory"},
		"no fleet":            {func(c *cloud) { c.fleet.Services = nil }, "no nova-compute service at all"},
		"no server":           {func(c *cloud) { c.fleet.Servers = nil }, "nova lists no server at all"},
		"incomplete":          {func(c *cloud) { c.fleet.Incomplete = []string{"403"} }, "not complete: 403"},
		"lists old":           {func(c *cloud) { c.fleet.At = time.Now().Add(-time.Hour) }, "1h0m0s old"},
		"lists ahead":         {func(c *cloud) { c.fleet.At = time.Now().Add(time.Hour) }, "clock skew"},
		"unparsable":          {func(c *cloud) { c.write("x/disk", []byte("QFI\xfb\x00")) }, "x/disk: imagecache: image cannot be read: qcow2 header is cut"},
		"unknown format":      {func(c *cloud) { c.write("x/disk", make([]byte, 5000)) }, "x/disk: unknown format"},
		"unknown, any name":   {func(c *cloud) { c.write("x/snapshots/y", make([]byte, 5000)) }, "x/snapshots/y: unknown format"},
		"text for a disk":     {func(c *cloud) { c.write("x/disk.eph0", []byte("lost")) }, "x/disk.eph0: unknown format"},
		"cut to nothing":      {func(c *cloud) { c.write("x/disk", nil) }, "x/disk: empty"},
		"raw by disk.info": {func(c *cloud) {
			c.write("x/disk", make([]byte, 5000))
			c.write("x/disk.info", []byte(`{"/g/x/disk": "raw"}`))
		}, ""},
		"qcow2 by disk.info": {func(c *cloud) {
			c.write("x/disk", make([]byte, 5000))
			c.write("x/disk.info", []byte(`{"/g/x/disk": "qcow2"}`))
		}, "x/disk: unknown format"},
		"config drive, log": {func(c *cloud) {
			c.write("x/disk.config", make([]byte, 5000))
			c.write("x/console.log", make([]byte, 50))
		}, ""},
		"loop":                 {func(c *cloud) { c.disk("x", "disk", "disk") }, "x/disk: its backing chain leads back"},
		"leads out":            {func(c *cloud) { c.disk("x", "disk", "/elsewhere/"+unused+"x") }, "outside of the instances directory"},
		"nbd":                  {func(c *cloud) { c.disk("x", "disk", "nbd:localhost:10809") }, "nbd"},
		"link leads out":       {func(c *cloud) { c.must(os.Symlink("/etc/passwd", c.path(serverA, "disk.link"))) }, "symbolic link to /etc/passwd, out of"},
		"link into":            {func(c *cloud) { c.must(os.Symlink("disk", c.path(serverA, "disk.link"))) }, ""},
		"link to a directory":  {func(c *cloud) { c.must(os.Symlink(serverA, c.path("alias"))) }, "no regular file"},
		"directories too deep": {func(c *cloud) { c.mkdir("instances/1/2/3/4/5/6/7/8/9/10/11") }, "too many directories"},
		"odd name":             {func(c *cloud) { c.write("x/\xff\n", []byte("text")) }, ""},
		"a socket, a pipe":     {func(c *cloud) { c.must(mkfifo(c.path(serverA, "pipe"))) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cl := newCloud(t, t.TempDir())
			c.change(cl)
			plan := cl.quarantine(Policy{})
			refusals := strings.Join(plan.Refusals, "\n")
			if c.want == "" {
				if refusals != "" || targets(plan) != "quarantine "+unused {
					t.Errorf("steps %q, refusals %q", targets(plan), refusals)
				}
				return
			}
			if !strings.Contains(refusals, c.want) {
				t.Errorf("refusals %q, want one with %q", refusals, c.want)
			}
			if len(plan.Steps) > 0 || len(plan.Kept) != 3 {
				t.Errorf("refused, and %d steps, %d kept", len(plan.Steps), len(plan.Kept))
			}
			if r, err := Check(cl.observe(), Policy{}); err != nil || r.Status == stackmend.OK || r.Status == stackmend.Warn {
				t.Errorf("Check: %v, %v", r.Status, err)
			}
		})
	}
}

// Whatever refers to a base image keeps it.
func TestKept(t *testing.T) {
	const x = "33333333-3333-4333-8333-333333333333"
	for name, c := range map[string]struct {
		change func(c *cloud)
		want   string
	}{
		"rescue":           {func(c *cloud) { c.disk(serverA, "disk.rescue", c.path("_base", unused)) }, "1 images refer to it, such as " + serverA + "/disk.rescue"},
		"unknown instance": {func(c *cloud) { c.disk(x, "disk", c.path("_base", unused)) }, "refer to it"},
		"resize":           {func(c *cloud) { c.disk(serverA+"_resize", "disk", c.path("_base", unused)) }, "refer to it"},
		"snapshot":         {func(c *cloud) { c.disk(x, "snapshots/s1", c.path("_base", unused)) }, "refer to it"},
		"silly rename":     {func(c *cloud) { c.disk(x, ".nfs000000000123", c.path("_base", unused)) }, "refer to it"},
		"download":         {func(c *cloud) { c.disk("", "any.part", c.path("_base", unused)) }, "refer to it"},
		"deep":             {func(c *cloud) { c.disk(x, "disk.snap", c.path("_base", unused)); c.disk(x, "disk", "disk.snap") }, "disk.snap"},
		"relative":         {func(c *cloud) { c.disk(x, "disk", "../_base/"+unused) }, "refer to it"},
		"json":             {func(c *cloud) { c.disk(x, "disk", `json:{"file":{"filename":"`+c.path("_base", unused)+`"}}`) }, "refer to it"},
		"name alone":       {func(c *cloud) { c.disk(x, "disk", "rbd:pool/"+unused) }, "refer to it"},
		"other base dir":   {func(c *cloud) { c.disk(x, "disk", c.path("_base_10.0.0.1", unused)) }, "refer to it"},
		"data file":        {func(c *cloud) { c.write("x/disk", qcow2(header{data: c.path("_base", unused)})) }, "refer to it"},
		"a base":           {func(c *cloud) { c.disk("_base", "notours", c.path("_base", unused)) }, "refer to it"},
		"server alone": {func(c *cloud) {
			c.fleet.Servers = append(c.fleet.Servers, Server{ID: x, Status: "SHELVED_OFFLOADED", Image: "an image that nobody uses"})
		}, "was made of image"},
		"other size": {func(c *cloud) { c.base(unused+"_20", old); c.disk(x, "disk", c.path("_base", unused+"_20")) }, "another size of the same image is in use: " + unused + "_20"},
		"young":      {func(c *cloud) { c.base(unused, time.Hour) }, "less than 168h0m0s ago"},
		"nova.conf":  {func(c *cloud) { c.conf = Config{Read: true, RemoveUnused: true, OriginalMinAge: 2 * old} }, "less than 1440h0m0s ago"},
		"future":     {func(c *cloud) { c.base(unused, -time.Hour) }, "clock skew"},
		"two names":  {func(c *cloud) { c.must(os.Link(c.path("_base", unused), c.path("second"))) }, "2 names"},
		"empty": {func(c *cloud) {
			c.must(os.Truncate(c.path("_base", unused), 0))
			old := time.Now().Add(-old)
			c.must(os.Chtimes(c.path("_base", unused), old, old))
		}, "empty"},
		"symlink": {func(c *cloud) {
			c.must(os.Rename(c.path("_base", unused), c.path("_base", "other")))
			c.must(os.Symlink("other", c.path("_base", unused)))
		}, "symbolic link"},
		"open file": {func(c *cloud) { c.see(holdOpen(c.t, c.path("_base", unused)).Process.Pid) }, "open on this host: sleep (pid"},
	} {
		t.Run(name, func(t *testing.T) {
			cl := newCloud(t, t.TempDir())
			c.change(cl)
			plan := cl.quarantine(Policy{})
			if got := kept(plan, unused); !strings.Contains(got, c.want) || len(plan.Refusals) > 0 {
				t.Errorf("kept because %q, want %q; refusals %q", got, c.want, plan.Refusals)
			}
			if strings.Contains(targets(plan), unused) {
				t.Errorf("steps %q", targets(plan))
			}
		})
	}
}

// What the operator says of hosts is believed only as far as it can be, and
// stands in the plan.
func TestDeclared(t *testing.T) {
	gone, away := map[string]string{"c02": "burnt, ticket 7"}, map[string]string{"c02": "local disks"}
	for name, c := range map[string]struct {
		change func(c *cloud)
		policy Policy
		want   string // in the refusals; "": none
	}{
		"gone":                 {func(c *cloud) { c.fleet.Services[1].State = "down"; delete(c.hosts, "c02"); c.register() }, Policy{Gone: gone}, ""},
		"gone, yet up":         {func(c *cloud) {}, Policy{Gone: gone}, "declared gone for good, but its nova-compute is up"},
		"gone, yet registered": {func(c *cloud) { c.fleet.Services[1].State = "down" }, Policy{Gone: gone}, "but it registered"},
		"elsewhere":            {func(c *cloud) { delete(c.hosts, "c02"); c.register() }, Policy{Elsewhere: away}, ""},
		"elsewhere, yet here":  {func(c *cloud) {}, Policy{Elsewhere: away}, "but it has registered"},
		"another is gone":      {func(c *cloud) { c.fleet.Services[1].State = "down" }, Policy{Gone: map[string]string{"c01": "x"}}, "host c02"},
	} {
		t.Run(name, func(t *testing.T) {
			cl := newCloud(t, t.TempDir())
			c.change(cl)
			plan := cl.quarantine(c.policy)
			if got := strings.Join(plan.Refusals, "\n"); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Fatalf("refusals %q, want %q", got, c.want)
			}
			if kept(plan, baseB) == "(not kept)" {
				t.Error("what the directories of the host refer to is not kept")
			}
			said := strings.Join(plan.Unseen, "\n")
			for _, reason := range c.policy.Gone {
				if !strings.Contains(said, reason) {
					t.Errorf("%q does not stand in the plan: %q", reason, said)
				}
			}
			for _, s := range plan.Steps {
				if back, err := policyOf(s.Args); err != nil || len(back.Gone) != len(c.policy.Gone) || len(back.Elsewhere) != len(c.policy.Elsewhere) {
					t.Errorf("the step says %+v, %v", back, err)
				}
			}
		})
	}
}

func TestPolicyInvalid(t *testing.T) {
	c := newCloud(t, t.TempDir())
	s := c.observe()
	for _, p := range []Policy{{MinAge: -1}, {Gone: map[string]string{"c01": " "}}, {Gone: map[string]string{"a/b": "x"}}} {
		if _, err := Quarantine(s, p); err == nil {
			t.Errorf("%+v is accepted", p)
		}
	}
	if _, err := Quarantine(nil, Policy{}); err == nil {
		t.Error("no snapshot, no error")
	}
	if _, err := Check(&Snapshot{}, Policy{}); err == nil {
		t.Error("the zero snapshot is checked")
	}
	if _, err := Restore(s, nil, Policy{}); err == nil {
		t.Error("nothing named, no error")
	}
}
