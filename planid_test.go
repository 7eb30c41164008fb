package stackmend_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// The ID covers every field: change any, and it changes.
func TestPlanIDCoversEverything(t *testing.T) {
	seen := map[string]string{samplePlan().ID(): "the plan itself"}
	p := samplePlan()
	n := 0
	changeEach(reflect.ValueOf(p).Elem(), "Plan", func(path string) {
		n++
		id := p.ID()
		if other, ok := seen[id]; ok {
			t.Errorf("%s changed: same ID as %s", path, other)
		}
		seen[id] = path
	})
	if n < 35 || p.ID() != samplePlan().ID() {
		t.Errorf("%d changes tried", n)
	}
}

// changeEach changes each value below v, one at a time, calls f, and puts it
// back.
func changeEach(v reflect.Value, path string, f func(string)) {
	old := reflect.New(v.Type()).Elem()
	old.Set(v)
	try := func(what string, now reflect.Value) { v.Set(now); f(path + what); v.Set(old) }
	switch v.Kind() {
	case reflect.String:
		try("", reflect.ValueOf(old.String()+"x"))
	case reflect.Int, reflect.Int64:
		now := reflect.New(v.Type()).Elem()
		now.SetInt(old.Int() + 1)
		try("", now)
	case reflect.Map:
		try(" with a key more", reflect.ValueOf(map[string]string{"other": "x", "inode": "4711", "size": "21474836480", "to": "/var/lib/nova/quarantine"}))
		for _, k := range old.MapKeys() {
			m := reflect.MakeMap(v.Type())
			for _, l := range old.MapKeys() {
				m.SetMapIndex(l, old.MapIndex(l))
			}
			m.SetMapIndex(k, reflect.ValueOf("changed"))
			try("["+k.String()+"]", m)
			m.SetMapIndex(k, reflect.Value{})
			try(" without "+k.String(), m)
		}
	case reflect.Slice:
		try(" cut", old.Slice(0, old.Len()-1))
		try(" twice", reflect.AppendSlice(old.Slice3(0, old.Len(), old.Len()), old))
		for i := range v.Len() {
			changeEach(v.Index(i), path+"[]", f)
		}
	case reflect.Struct:
		if tm, ok := old.Interface().(time.Time); ok {
			try("", reflect.ValueOf(tm.Add(1)))
			try(" zero", reflect.ValueOf(time.Time{}))
			return
		}
		for i := range v.NumField() {
			changeEach(v.Field(i), path+"."+v.Type().Field(i).Name, f)
		}
	default:
		panic("a kind of field that the test does not know: " + path)
	}
}

// What differs without a difference has the same ID.
func TestPlanIDOfTheSame(t *testing.T) {
	p := samplePlan()
	p.Created = p.Created.In(time.FixedZone("x", 3600))
	if p.ID() != samplePlan().ID() {
		t.Error("the zone in which an instant is told changes the ID")
	}
	a, b := &stackmend.Plan{Steps: []stackmend.Step{{}}}, &stackmend.Plan{Unseen: []string{}, Kept: []stackmend.Kept{}, Steps: []stackmend.Step{{Args: map[string]string{}}}}
	if a.ID() != b.ID() {
		t.Error("nil and empty differ")
	}
}

func TestPlanThatIsNotAsWritten(t *testing.T) {
	b, err := json.Marshal(samplePlan())
	if err != nil {
		t.Fatal(err)
	}
	s := string(b)
	for name, c := range map[string]struct {
		text string
		is   error
	}{
		"edited":        {strings.Replace(s, "_base/0a1b", "_base/0a1c", 1), stackmend.ErrEdited},
		"edited id":     {strings.Replace(s, `"id":"`, `"id":"0`, 1), stackmend.ErrEdited},
		"no id":         {strings.Replace(s, samplePlan().ID(), "", 1), stackmend.ErrEdited},
		"unknown field": {strings.Replace(s, `{"schema":1,`, `{"schema":1,"force":true,`, 1), stackmend.ErrEdited},
		"unknown inner": {strings.Replace(s, `"verb":`, `"sudo":true,"verb":`, 1), stackmend.ErrEdited},
		"other case":    {strings.Replace(s, `"verb":`, `"VERB":`, 1), stackmend.ErrEdited},
		"joined maps":   {strings.Replace(s, `"args":{`, `"args":{"to":"/"},"args":{`, 1), nil},
		"split maps":    {strings.Replace(s, `"assumes":{"inode":"4711",`, `"assumes":{"inode":"4711"},"assumes":{`, 1), stackmend.ErrEdited},
		"not UTF-8":     {strings.Replace(s, "no heartbeat", "no \xffheartbeat", 1), stackmend.ErrEdited},
		"null":          {"null", stackmend.ErrSchema},
		"schema 2":      {strings.Replace(s, `"schema":1`, `"schema":2`, 1), stackmend.ErrSchema},
		"no schema":     {strings.Replace(s, `"schema":1,`, ``, 1), stackmend.ErrSchema},
	} {
		p := stackmend.Plan{Check: "as before"}
		err := json.Unmarshal([]byte(c.text), &p)
		wantErr(t, err, c.is)
		if c.is != nil && p.Check != "as before" {
			t.Errorf("%s: left %+v", name, p)
		}
	}
	var p stackmend.Plan
	for _, bad := range []string{"", "{", "[]", `"x"`, s + "{}", s + " x", s[:len(s)-1]} {
		if json.Unmarshal([]byte(bad), &p) == nil || p.UnmarshalJSON([]byte(bad)) == nil {
			t.Errorf("read %.40q", bad)
		}
	}
	if _, err := json.Marshal(&stackmend.Plan{Check: "\xff"}); err == nil {
		t.Error("wrote a plan that is not UTF-8")
	}
	if _, err := json.Marshal(&stackmend.Plan{Created: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)}); err == nil {
		t.Error("wrote a year that JSON cannot hold")
	}
}

func TestResultThatCannotBeRead(t *testing.T) {
	b, err := json.Marshal(sampleResult())
	if err != nil {
		t.Fatal(err)
	}
	s := string(b)
	for _, c := range []struct {
		from, to string
		is       error
	}{
		{`{"schema":1,"check"`, `{"schema":9,"check"`, stackmend.ErrSchema},
		{`"status":"warn"`, `"status":"fine"`, stackmend.ErrSchema},
		{`"state":"refused"`, `"state":"fine"`, stackmend.ErrSchema},
		{`"mode":"apply"`, `"mode":"force"`, stackmend.ErrSchema},
		{`"verb":"quarantine"`, `"verb":"purge"`, stackmend.ErrEdited},
	} {
		var r stackmend.Result
		if !strings.Contains(s, c.from) {
			t.Fatal(c.from)
		}
		wantErr(t, json.Unmarshal([]byte(strings.Replace(s, c.from, c.to, 1)), &r), c.is)
	}
	var r stackmend.Result
	if err := json.Unmarshal([]byte(strings.Replace(s, `{"schema":1,"check"`, `{"schema":1,"new":1,"check"`, 1)), &r); err != nil {
		t.Errorf("a new optional field: %v", err)
	}
}

func FuzzPlanJSON(f *testing.F) {
	for _, name := range []string{"plan.json", "plan-empty.json"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p, q stackmend.Plan
		if json.Unmarshal(b, &p) != nil {
			return
		}
		again, err := json.Marshal(&p)
		if err != nil {
			t.Fatalf("read, but cannot be written: %v", err)
		}
		if err := json.Unmarshal(again, &q); err != nil || q.ID() != p.ID() {
			t.Fatalf("written, but cannot be read: %v", err)
		}
	})
}

func FuzzResultJSON(f *testing.F) {
	for _, name := range []string{"result.json", "result-check.json"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, s stackmend.Result
		if json.Unmarshal(b, &r) != nil {
			return
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatalf("read, but cannot be written: %v", err)
		}
		if err := json.Unmarshal(again, &s); err != nil {
			t.Fatalf("written, but cannot be read: %v", err)
		}
	})
}
