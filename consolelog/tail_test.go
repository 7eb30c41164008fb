package consolelog_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stackmend/stackmend/consolelog"
)

// logs writes files to a folder and returns the path of console.log.
func logs(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "console.log")
}

func TestTail(t *testing.T) {
	nul := strings.Repeat("\x00", 50000)
	for name, c := range map[string]struct {
		files map[string]string
		tail  consolelog.Tail
		want  string
	}{
		"empty":              {map[string]string{"": ""}, consolelog.Tail{}, ""},
		"bytes":              {map[string]string{"": "one\ntwo\nthree\n"}, consolelog.Tail{Bytes: 8}, "o\nthree\n"},
		"all":                {map[string]string{"": "one\ntwo\n"}, consolelog.Tail{}, "one\ntwo\n"},
		"lines":              {map[string]string{"": "one\ntwo\nthree\n"}, consolelog.Tail{Lines: 2}, "two\nthree\n"},
		"lines, no end":      {map[string]string{"": "one\ntwo\nthree"}, consolelog.Tail{Lines: 2}, "two\nthree"},
		"more lines":         {map[string]string{"": "one\ntwo\n"}, consolelog.Tail{Lines: 9}, "one\ntwo\n"},
		"empty lines":        {map[string]string{"": "a\n\n\n"}, consolelog.Tail{Lines: 2}, "\n\n"},
		"rotated":            {map[string]string{"": "three\n", ".0": "two\n", ".1": "one\n"}, consolelog.Tail{Bytes: 12}, "e\ntwo\nthree\n"},
		"rotated lines":      {map[string]string{"": "four", ".0": "two\nthree ", ".1": "one\n"}, consolelog.Tail{Lines: 2}, "two\nthree four"},
		"alone":              {map[string]string{"": "three\n", ".0": "two\n"}, consolelog.Tail{Bytes: 12, Alone: true}, "three\n"},
		"a gap in the row":   {map[string]string{"": "three\n", ".1": "one\n"}, consolelog.Tail{}, "three\n"},
		"NULs before":        {map[string]string{"": nul + "text\n"}, consolelog.Tail{Bytes: 100}, "text\n"},
		"NULs after":         {map[string]string{"": "text\n" + nul}, consolelog.Tail{Bytes: 10000}, "text\n"},
		"NULs in between":    {map[string]string{"": "a\x00b\x00\x00c\n"}, consolelog.Tail{Bytes: 4}, "abc\n"},
		"nothing but NULs":   {map[string]string{"": nul}, consolelog.Tail{Bytes: 100}, ""},
		"one line, too long": {map[string]string{"": strings.Repeat("x", 3<<20)}, consolelog.Tail{Lines: 1}, strings.Repeat("x", 1<<20)},
		"broken UTF-8":       {map[string]string{"": "\xff\xfe\xc3\n"}, consolelog.Tail{}, "\xff\xfe\xc3\n"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{}
			for suffix, text := range c.files {
				files["console.log"+suffix] = text
			}
			c.tail.Path = logs(t, files)
			got, err := c.tail.Read()
			if err != nil || string(got) != c.want {
				t.Errorf("%.200q, %v, want %.200q", got, err, c.want)
			}
			r, err := c.tail.Open()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := io.ReadAll(r); err != nil || !bytes.Equal(again, got) {
				t.Errorf("Open reads %.200q, %v", again, err)
			}
		})
	}
}

// TestTailBetweenTheStepsOfARotation: console.log has become console.log.0, and
// the new one is not there yet.
func TestTailBetweenTheStepsOfARotation(t *testing.T) {
	log := logs(t, map[string]string{"console.log.0": "three\nfour\n", "console.log.1": "one\ntwo\n"})
	if b, err := (consolelog.Tail{Path: log}).Read(); err != nil || string(b) != "one\ntwo\nthree\nfour\n" {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := (consolelog.Tail{Path: log, Alone: true}).Read(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("alone: %q, %v, want ErrNotExist", b, err)
	}
	if b, err := (consolelog.Tail{Path: log + "x"}).Read(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without any: %q, %v, want ErrNotExist", b, err)
	}
}

func TestTailLines(t *testing.T) {
	tail := consolelog.Tail{Path: logs(t, map[string]string{"console.log": "one\r\ntwo\n\nthree"}), Lines: 3}
	var got []string
	for line, err := range tail.All() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(line))
	}
	if diff := cmp.Diff([]string{"two", "", "three"}, got); diff != "" {
		t.Error(diff)
	}
	tail.Path += "-gone"
	for _, err := range tail.All() {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("no log: %v", err)
		}
	}
}

func TestTailRefuses(t *testing.T) {
	path := logs(t, map[string]string{"console.log": "x\n"})
	for name, tail := range map[string]consolelog.Tail{
		"too many bytes": {Path: path, Bytes: consolelog.MaxTail + 1},
		"negative bytes": {Path: path, Bytes: -1},
		"negative lines": {Path: path, Lines: -1},
		"a folder":       {Path: filepath.Dir(path)},
	} {
		if b, err := tail.Read(); err == nil {
			t.Errorf("%s: %q and no error", name, b)
		}
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\n":               "plain\ttext\n",
		"\x1b[31mred\x1b[0m":          "red",
		"\x1b[2J\x1b[1;1Hlogin: ":     "login: ",
		"\x1b]0;title\x07text":        "text",
		"\x1b]0;title\x1b\\text":      "text",
		"\x1b]0;no end\nnext":         "\nnext",
		"\x1bPq#0;2;0;0;0\x1b\\sixel": "sixel",
		"\x1b(Btext":                  "text",
		"\x1b7\x1b8text":              "text",
		"\x1bctext":                   "text",
		"\x1b[12\x00text":             "text",
		"cut off \x1b[":               "cut off ",
		"cut off \x1b":                "cut off ",
		"a\x00b\x08c\x7fd\r\n":        "abcd\n",
		"bad \xff\xfe utf":            "bad \uFFFD\uFFFD utf",
		"turn \u202egnirts":           "turn gnirts",
		"grüße 日本":                    "grüße 日本",
	} {
		if got := string(consolelog.Plain([]byte(in))); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add([]byte("\x1b[31mred\x1b]0;t\x07\xff\x1b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := consolelog.Plain(b)
		if bytes.ContainsAny(got, "\x1b\x00\x07\r") || !bytes.Equal(got, bytes.ToValidUTF8(got, nil)) {
			t.Errorf("%q becomes %q", b, got)
		}
		if again := consolelog.Plain(got); !bytes.Equal(again, got) {
			t.Errorf("twice: %q, then %q", got, again)
		}
	})
}
