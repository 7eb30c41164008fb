package bootvolume

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// What became of the instances of testdata/json.
var lostInJSON = map[string]string{
	"3a8c147f": CodeHAProxyRefused, "2ee48fb1": CodeHAProxyTimeout, "821d8fa8": CodeHAProxyTimeout,
	"430fcc0f": CodeOverQuota, "af042ce8": CodeOverQuota, "353805c7": CodeVolumeFailed, "f64ff520": CodeVolumeFailed,
	"760f68cc": CodeTooSlow, "e243fca8": CodeTooSlow,
}

// oslo.log's JSON tells the same, and the cause that is in no message.
func TestJSON(t *testing.T) {
	s := recorded(t, "json")
	r := Check(s)
	if got := lostOf(r); !maps.Equal(got, lostInJSON) {
		t.Errorf("%v, want %v", got, lostInJSON)
	}
	for id, want := range map[string]string{"353805c7": "No weighed backends available", "f64ff520": "the backend is lost", "3a8c147f": "no server of cinder"} {
		if f := finding(t, r, "instance "+id); !strings.Contains(f.Message, want) {
			t.Errorf("%+v", f)
		}
	}
	if got := orphansOf(r); len(got) != 4 {
		t.Errorf("%v", got)
	}
	for _, f := range r.Findings {
		if f.Code == CodeClocksDiffer {
			t.Errorf("%+v", f)
		}
	}
	for _, b := range Follow(&s.Logs) {
		if strings.HasPrefix(b.Instance, "bead85e3") && (!b.Built || len(b.Asks) != 2 || b.Cinder == nil || b.Cinder.Size != 2 || b.Cinder.Made.IsZero()) {
			t.Errorf("%+v", b)
		}
	}
	if s.Logs.Unread > 0 {
		t.Errorf("%d unread", s.Logs.Unread)
	}
}

// jsonLines are the recorded ones.
func jsonLines(t testing.TB) (all []string) {
	t.Helper()
	for _, file := range []string{"nova-api", "nova-compute-c01", "nova-compute-c02", "cinder-api", "cinder-scheduler", "cinder-volume"} {
		b, err := os.ReadFile("testdata/json/" + file + ".log")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, slices.Collect(strings.Lines(string(b)))...)
	}
	return all
}

// readOne reads a line as of a source.
func readOne(t testing.TB, line string, source Source) Logs {
	t.Helper()
	var l Logs
	if err := l.Read(t.Context(), strings.NewReader(line), "x.log", Log{Source: source, Host: "h", Now: now.AddDate(0, 0, 7)}); err != nil {
		t.Fatal(err)
	}
	return l
}

// The order in which a shipper writes the fields does not matter, nor what
// blanks it leaves, nor that the instance is a text.
func TestJSONOfAnotherOrder(t *testing.T) {
	for _, line := range jsonLines(t) {
		var fields map[string]any
		end := strings.LastIndexByte(line, '}') + 1
		if err := json.Unmarshal([]byte(line[:end]), &fields); err != nil {
			t.Fatal(err)
		}
		want := readOne(t, line, Volume)
		if extra, ok := fields["extra"].(map[string]any); ok && len(want.Events) > 0 && want.Events[0].Instance != "" {
			delete(extra, "instance")
			fields["instance"] = "[instance: " + want.Events[0].Instance + "] "
		}
		sorted, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		got := readOne(t, string(sorted)+"\n", Volume)
		if !slices.Equal(got.Events, want.Events) || !slices.Equal(got.Files, want.Files) || len(want.Files) != 1 || got.Unread != 0 {
			t.Errorf("%+v, want %+v, of %.200s", got, want, line)
		}
	}
}

// Where there is no error_summary, the traceback's last line is the cause.
func TestJSONTraceback(t *testing.T) {
	const line = `{"created": 1795752669.891, "name": "nova.compute.manager", "process": 7, "levelname": "ERROR", "message": "Instance failed block device setup", ` +
		`"traceback": ["Traceback (most recent call last):", "  File \"x\"", "keystoneauth1.exceptions.connection.ConnectFailure: Unable to establish connection", ""], ` +
		`"context": {"request_id": "req-1"}, "extra": {"instance": {"uuid": "bead85e3-2ba1-4c53-8bb1-52cdceaa1ed8"}}}` + "\n"
	l := readOne(t, line, Compute)
	if len(l.Events) != 1 || !notConnected.MatchString(l.Events[0].Text) || l.Events[0].Instance != "bead85e3-2ba1-4c53-8bb1-52cdceaa1ed8" {
		t.Errorf("%+v", l)
	}
	if want := time.Date(2026, 11, 27, 4, 11, 9, 891e6, time.UTC); !l.Files[0].First.Truncate(time.Millisecond).Equal(want) {
		t.Errorf("%v, want %v", l.Files[0].First, want)
	}
}

// JSON that is cut or another's is counted, and shifts nothing.
func TestJSONThatIsCut(t *testing.T) {
	line := jsonLines(t)[1]
	for _, text := range []string{line[:len(line)/2], `{"log": "x"}`, `{`, `{"created": 1e300}`, `{"created": "now"}`, `{"message": "` + strings.Repeat("x", 100)} {
		if l := readOne(t, text+"\n", Compute); len(l.Events) > 0 || len(l.Files) > 0 || l.Unread != 1 {
			t.Errorf("%+v of %.60q", l, text)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, line := range jsonLines(f) {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		Check(&Snapshot{Logs: readOne(t, string(line), Volume)})
		message, _, logger, ok := glance(line)
		var j record
		if !ok || bytes.ContainsAny(message, "\\\x1b") || json.Unmarshal(line, &j) != nil || j.Name != string(logger) || j.Message != string(message) {
			return
		}
		if e := j.event(); e.Kind != "" && !mayMatterIn(j.Name, message) {
			t.Errorf("matters, and would be passed over: %+v", e)
		}
	})
}
