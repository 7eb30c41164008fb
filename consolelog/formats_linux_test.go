package consolelog

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseFlags(t *testing.T) {
	for text, want := range map[string]int{
		"pos:\t0\nflags:\t0102001\nmnt_id:\t29\n": unix.O_WRONLY | unix.O_APPEND | 0o100000,
		"flags:\t0100002\n":                       unix.O_RDWR | 0o100000,
	} {
		if got, err := parseFlags(text); err != nil || got != want {
			t.Errorf("%q: %#o, %v, want %#o", text, got, err, want)
		}
	}
	for _, text := range []string{"", "pos:\t0\n", "flags:\t9\n", "flags:\t-1\n", "flags:\t7777777777777777777777\n"} {
		if got, err := parseFlags(text); err == nil {
			t.Errorf("%q: %#o and no error", text, got)
		}
	}
}

func TestUpperDir(t *testing.T) {
	text := `25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
79 25 0:45 / /mnt rw - overlay overlay rw,lowerdir=/l,upperdir=/a\040b/upper,workdir=/w
`
	for device, want := range map[string]string{"0:45": "/a b/upper", "254:0": "", "0:1": ""} {
		if got := upperDir([]byte(text), device); got != want {
			t.Errorf("%s: %q, want %q", device, got, want)
		}
	}
}

func TestConfOf(t *testing.T) {
	for want, args := range map[string][]string{
		"":   {"virtlogd", "-d"},
		"/a": {"virtlogd", "-f", "/a"},
		"/b": {"virtlogd", "--config=/b"},
		"/c": {"virtlogd", "--config", "/c"},
	} {
		if got := confOf(args); got != want {
			t.Errorf("%v: %q, want %q", args, got, want)
		}
	}
	if got := confOf([]string{"virtlogd", "-f"}); got != "" {
		t.Errorf("cut off: %q", got)
	}
}

// FuzzKernelTexts: what /proc says may be cut off, and names in it are
// anybody's.
func FuzzKernelTexts(f *testing.F) {
	f.Add([]byte("pos:\t0\nflags:\t0102001\n"))
	f.Add([]byte("79 25 0:45 / /mnt rw - overlay overlay rw,upperdir=/u\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := parseFlags(string(b)); err == nil && n < 0 {
			t.Errorf("flags %d", n)
		}
		upperDir(b, "0:45")
	})
}

// FuzzManifest: the archive's folder may hold anything.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"schema":1,"from":0,"to":10,"marks":[{"at":0,"sha256":"x"}]}`))
	path := filepath.Join(f.TempDir(), "x.archived.json")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := ReadManifest(path)
		if err == nil && (m.From < 0 || m.To <= m.From || m.State != Archived || len(m.Marks) != marks) {
			t.Errorf("%+v", m)
		}
	})
}
