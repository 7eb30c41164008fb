package consolelog_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stackmend/stackmend/consolelog"
)

// TestReadRequests: the answers of a real nova-api.
func TestReadRequests(t *testing.T) {
	f, err := os.Open("testdata/novaapi/nova-api.log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := consolelog.ReadRequests(t.Context(), f, f.Name(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	bytes := map[string]int64{}
	for _, q := range all {
		if q.Instance != "5a2c2f0e-6a0b-4bb4-9d3c-0b1e7f1f3c11" || q.Project != "0f1e2d3c4b5a69788796a5b4c3d2e1f0" || q.At.Year() != 2026 || q.Status != "200" {
			t.Errorf("%+v", q)
		}
		bytes[q.User+" "+q.Address] += q.Bytes
	}
	want := map[string]int64{
		"7b0b4f5a6f6d4b5b8a3f3c1d2e4f5a6b 192.0.2.7":           14 * 5533112,
		"aa0b4f5a6f6d4b5b8a3f3c1d2e4f5a6b 192.0.2.8,127.0.0.1": 3 * 102763,
	}
	if diff := cmp.Diff(want, bytes); diff != "" {
		t.Error(diff)
	}
	if late, err := consolelog.ReadRequests(t.Context(), strings.NewReader(""), "empty", time.Time{}); err != nil || len(late) > 0 {
		t.Errorf("an empty log: %v, %v", late, err)
	}
}

func TestParseVirtlogd(t *testing.T) {
	for text, want := range map[string]consolelog.Virtlogd{
		"":                                  {MaxSize: 2 << 20, MaxBackups: 3},
		"#max_size = 1\n":                   {MaxSize: 2 << 20, MaxBackups: 3},
		"max_size = 0\nmax_backups=9 # x\n": {MaxSize: 0, MaxBackups: 9},
		"log_filters=\"3:remote 4:event\"\nmax_age_days = 7": {MaxSize: 2 << 20, MaxBackups: 3, MaxAgeDays: 7},
	} {
		got, err := consolelog.ParseVirtlogd(strings.NewReader(text))
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"max_size = many", "max_size = -1", "max_backups = 99999999999999999999", "max_size = " + strings.Repeat("9", 1<<20)} {
		if v, err := consolelog.ParseVirtlogd(strings.NewReader(text)); err == nil {
			t.Errorf("%.40q: %+v and no error", text, v)
		}
	}
}

func TestParseQemuConf(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "logd",
		"#stdio_handler = \"file\"\n":        "logd",
		"stdio_handler = \"file\" # older\n": "file",
		"cgroup_device_acl = [\n  \"/dev/null\",\n  \"x = y\"\n]\nstdio_handler=\"logd\"": "logd",
	} {
		if got, err := consolelog.ParseQemuConf(strings.NewReader(text)); err != nil || got.StdioHandler != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	if q, err := consolelog.ParseQemuConf(strings.NewReader("stdio_handler = \"pipe\"")); err == nil {
		t.Errorf("an unknown handler: %+v and no error", q)
	}
}

func TestReadBrokers(t *testing.T) {
	got, err := consolelog.ReadBrokers(strings.NewReader(`[{"name":"rabbit@c1","running":true,"mem_used":900,"mem_limit":1000,"mem_alarm":true,"partitions":["rabbit@c2"]}]`))
	want := []consolelog.Broker{{Name: "rabbit@c1", Memory: 900, Watermark: 1000, Alarm: true, Partitions: 1}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for _, text := range []string{"", "{}", `{"error":"not_authorised"}`, `[{}]`, `[{"name":1}]`} {
		if b, err := consolelog.ReadBrokers(strings.NewReader(text)); err == nil {
			t.Errorf("%q: %+v and no error", text, b)
		}
	}
}

// TestRealBrokers: the answers of a real RabbitMQ.
func TestRealBrokers(t *testing.T) {
	nodes, err := os.Open("testdata/rabbitmq/nodes.json")
	if err != nil {
		t.Fatal(err)
	}
	defer nodes.Close()
	got, err := consolelog.ReadBrokers(nodes)
	if diff := cmp.Diff([]consolelog.Broker{{Name: "rb@localhost", Memory: 164057088, Watermark: 10110410752}}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	queues, err := os.Open("testdata/rabbitmq/queues.json")
	if err != nil {
		t.Fatal(err)
	}
	defer queues.Close()
	all, err := consolelog.ReadQueues(queues)
	if diff := cmp.Diff([]consolelog.Queue{{Name: "conductor"}, {Name: "reply_5d3c", Messages: 4, Bytes: 22132448}}, all); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for _, text := range []string{"", "{}", `{"error":"not_authorised"}`, `[{}]`, `[{"name":"a","message_bytes":-1}]`} {
		if q, err := consolelog.ReadQueues(strings.NewReader(text)); err == nil {
			t.Errorf("%q: %+v and no error", text, q)
		}
	}
}

// TestReadOwners: the answers of a real nova, page after page.
func TestReadOwners(t *testing.T) {
	f, err := os.Open("testdata/novaapi/servers-detail.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	more := `{"servers":[{"id":"x","name":"last\u001b[31m"}]}`
	got, err := consolelog.ReadOwners(io.MultiReader(f, strings.NewReader(more)))
	want := consolelog.Owner{Name: "s8-alice", Domain: "instance-00000008"}
	one := got["fdaa0597-a28e-44dc-b711-b56f026cf7f7"]
	if err != nil || one.Name != want.Name || one.Domain != want.Domain || len(one.Project) != 32 || len(one.User) != 32 || got["x"].Name != "last" {
		t.Errorf("%v, %+v of %d", err, one, len(got))
	}
	for _, text := range []string{"", "{}", "[]", `{"servers":null}`, `{"servers":[{}]}`, `{"servers":[]}{"servers":`, `{"forbidden":{"code":403}}`} {
		if o, err := consolelog.ReadOwners(strings.NewReader(text)); err == nil {
			t.Errorf("%q: %+v and no error", text, o)
		}
	}
}

func FuzzParsers(f *testing.F) {
	f.Add([]byte("max_size = 0\nstdio_handler = \"file\"\n"))
	f.Add([]byte(`[{"name":"rabbit@c1","mem_used":1}]`))
	f.Add([]byte(`<domstatus><domain><name>x</name><uuid>u</uuid></domain></domstatus>`))
	log, err := os.ReadFile("testdata/novaapi/nova-api.log")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(log[:2000])
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := consolelog.ParseVirtlogd(bytes.NewReader(b)); err == nil && (v.MaxSize < 0 || v.MaxBackups < 0 || v.Bound() < 0) {
			t.Errorf("%+v", v)
		}
		if q, err := consolelog.ParseQemuConf(bytes.NewReader(b)); err == nil && q.StdioHandler != "logd" && q.StdioHandler != "file" {
			t.Errorf("%+v", q)
		}
		_, _, _ = consolelog.ParseDomain(bytes.NewReader(b))
		_, _ = consolelog.ReadBrokers(bytes.NewReader(b))
		_, _ = consolelog.ReadQueues(bytes.NewReader(b))
		_, _ = consolelog.ReadOwners(bytes.NewReader(b))
		all, _ := consolelog.ReadRequests(t.Context(), bytes.NewReader(b), "fuzz", time.Time{})
		for _, q := range all {
			if q.Bytes < 0 || strings.ContainsAny(q.User+q.Project+q.Address, "\x1b\n") {
				t.Errorf("%+v", q)
			}
		}
	})
}
