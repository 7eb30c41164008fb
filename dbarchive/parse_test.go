package dbarchive

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

func TestParseAPILog(t *testing.T) {
	log := `2026-11-22 10:00:00.123 4242 INFO nova.osapi_compute.wsgi.server [req-1 u p - default default] 10.0.0.1 "POST /v2.1/servers HTTP/1.1" status: 202 len: 1234 time: 138.6012340
2026-11-22 10:00:01.123 4242 INFO nova.osapi_compute.wsgi.server [req-2 u p - default default] 10.0.0.1 "GET /v2.1/servers/0e1c1d3c-7a34-4f6e-8a39-3c5c5dbb8e13?x=1 HTTP/1.1" status: 200 len: 99 time: 0.5
cut line "GET /v2
` + strings.Repeat("x", 200_000) + `
2026-11-22 10:00:02 INFO "GET /v2.1/servers/11111111-2222-3333-4444-555555555555 HTTP/1.1" status: 404 len: 9 time: 1.5`
	got, err := ParseAPILog(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	if got.Lines != 3 || got.Skipped != 2 || len(got.Actions["GET /v2.1/servers/{id}"]) != 2 {
		t.Errorf("%+v", got)
	}
	f := slowFindings(Thresholds{API: got, APIEarlier: got}.withDefaults())
	if len(f) != 1 || f[0].Subject != "POST /v2.1/servers" || f[0].Code != SlowAPI {
		t.Errorf("%+v", f)
	}
}

func FuzzParseAPILog(f *testing.F) {
	f.Add([]byte(`"POST /v2.1/servers HTTP/1.1" status: 202 len: 1 time: 138.6`))
	f.Add([]byte("\"GET / HTTP/1.0\" status: 200 len: 0 time: 99999999999999999999999999.9\n\x00\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseAPILog(strings.NewReader(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		for _, times := range got.Actions {
			if quantile(times, 0.95) < 0 {
				t.Error("a request took less than no time")
			}
		}
	})
}

func FuzzRowText(f *testing.F) {
	f.Add([]byte("x"), true)
	f.Add([]byte("\xff\x00"), false)
	f.Add([]byte(`{"a\b": "<&>é"}`), false)
	f.Add([]byte(`{"a\b": "c"}`), false)
	f.Fuzz(func(t *testing.T, b []byte, null bool) {
		row := rowText{"a": {b}, "b": {}}
		if null {
			row["a"] = cellText{}
		}
		text, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		in := newRowReader(&Table{Columns: []Column{{Name: "b"}, {Name: "a"}}})
		in.vals[1] = row["a"].value
		if short, err := in.json(); err != nil || string(short) != string(text) {
			t.Errorf("the short way writes %s, not %s: %v", short, text, err)
		}
		var back rowText
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if (row["a"].value == nil) != (back["a"].value == nil) || string(row["a"].value) != string(back["a"].value) || back["b"].value != nil {
			t.Errorf("%q came back as %q", row, back)
		}
		_ = json.Unmarshal(b, &back) // anything is an error, never a panic
	})
}

func FuzzDSN(f *testing.F) {
	f.Add("mysql+pymysql://nova:p%40ss@db:3306/nova?charset=utf8")
	f.Add("{scheme}://{username}:{password}@{hostname}/nova_cell1")
	f.Fuzz(func(t *testing.T, s string) {
		if dsn, err := DSN(s); err == nil && dsn == "" {
			t.Error("an empty data source name")
		}
		fill(s, "mysql://u:p@h/d")
	})
}

func TestDSN(t *testing.T) {
	for url, want := range map[string]string{
		"mysql+pymysql://nova:p%40ss@db/nova?charset=utf8":       "nova:p@ss@tcp(db:3306)/nova",
		"mysql://nova:x@[::1]:3307/nova":                         "nova:x@tcp([::1]:3307)/nova",
		"mysql+pymysql://n:x@/nova?unix_socket=/run/mysqld/sock": "n:x@unix(/run/mysqld/sock)/nova",
		"sqlite:///nova.db":                                      "",
		"mysql+pymysql://nova:secret@db":                         "",
		"mysql://n:secret@h/d?ssl_ca=/x":                         "",
		"mysql+pymysql://nova:se cret@\x7f":                      "",
	} {
		got, err := DSN(url)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", url, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error holds the password: %v", err)
		}
	}
	got, err := fill("{scheme}://{username}:{password}@{hostname}:{port}/nova_cell1?{query}", "mysql+pymysql://n:p%40@h:1/nova?charset=utf8")
	if err != nil || got != "mysql+pymysql://n:p%40@h:1/nova_cell1?charset=utf8" {
		t.Errorf("%q, %v", got, err)
	}
}

// A plan is untrusted: arguments that make no sense are refused.
func TestHostileArguments(t *testing.T) {
	good := map[string]string{"cell": "cell1", "first": "1", "last": "9", "before": "2025-11-22T00:00:00Z", "to": "shadow"}
	for key, bad := range map[string]string{"first": "0; DROP TABLE instances", "last": "-1", "before": "yesterday", "to": "schema:a`b"} {
		args := map[string]string{}
		for k, v := range good {
			args[k] = v
		}
		args[key] = bad
		if _, err := parse(stackmend.Step{Verb: VerbArchive, Args: args}); err == nil {
			t.Errorf("%s=%q was accepted", key, bad)
		}
	}
	if _, err := parse(stackmend.Step{Verb: VerbArchive, Args: good}); err != nil {
		t.Error(err)
	}
}

func TestPace(t *testing.T) {
	p := newPace(Limits{}.withDefaults())
	for range 50 {
		p.took(int64(p.rows), time.Duration(p.rows)*100*time.Microsecond)
	}
	if p.rows != 5000 { // 500 ms at 10,000 rows/s
		t.Errorf("a fast server gets %v rows", p.rows)
	}
	for range 50 {
		p.took(int64(p.rows), time.Duration(p.rows)*time.Millisecond)
	}
	if p.rows < 490 || p.rows > 510 {
		t.Errorf("at 1,000 rows/s a transaction of half a second has %v rows", p.rows)
	}
	tree := func(rows, bytes int64) *candidate { return &candidate{rows: []int64{rows}, bytes: bytes} }
	cs := []*candidate{tree(50_000, 1), tree(10, 1), tree(10, 9<<20), tree(1, 1)}
	for _, want := range []int{1, 1, 1, 1} {
		var chunk []*candidate
		if chunk, cs = p.cut(cs); len(chunk) != want {
			t.Fatalf("a transaction of %d trees, want %d", len(chunk), want)
		}
	}
}
