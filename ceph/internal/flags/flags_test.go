package flags

import (
	"errors"
	"testing"

	"github.com/stackmend/stackmend"
)

func TestParse(t *testing.T) {
	for _, text := range []string{"", "noout@", "pglog_hardlimit", "norecover@host0", "noout,nodown", "-noout"} {
		if _, err := Parse(text); !errors.Is(err, stackmend.ErrRefused) {
			t.Errorf("Parse(%q): %v, want ErrRefused", text, err)
		}
	}
	for _, text := range []string{"noout", "noout@host0", "nosnaptrim"} {
		if f, err := Parse(text); err != nil || f.String() != text {
			t.Errorf("Parse(%q) = %v, %v", text, f, err)
		}
	}
}

// A map that is cut or lacks its parts is not a map without flags.
func TestBadMap(t *testing.T) {
	for _, text := range []string{"", "{}", "[]", `{"fsid":"x","epoch":3}`, `{"fsid":"x","flags":"noout"}`, `{"fsid":"x","epoch":3,"flags":"no`} {
		if _, err := parse([]byte(text)); err == nil {
			t.Errorf("parse(%q) is no error", text)
		}
	}
}

func FuzzParseMap(f *testing.F) {
	f.Add([]byte(`{"fsid":"x","epoch":3,"flags":"noout,sortbitwise","osds":[{"osd":0,"up":1}],"crush_node_flags":{"host0":["noout"]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parse(b); err == nil && m.Epoch <= 0 {
			t.Error("a map without an epoch")
		}
	})
}
