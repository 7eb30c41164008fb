package oslo

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func configOf(t testing.TB, body string) *Config {
	t.Helper()
	c := &Config{}
	if err := c.Add("nova.conf", strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	c := configOf(t, "[DEFAULT]\nstate_path=/srv/nova\n")
	path := Option{"", "instances_path"}
	c.Default(path, "$state_path/instances")
	if v, found, err := c.Get(path); v != "/srv/nova/instances" || !found || err != nil {
		t.Errorf("%q %v %v", v, found, err)
	}
	if v, found, err := (&Config{}).Get(path); v != "" || found || err != nil {
		t.Errorf("of nothing: %q %v %v", v, found, err)
	}
	c.Default(path, "$lost_path/instances")
	if _, _, err := c.Get(path); !errors.Is(err, ErrReference) {
		t.Errorf("a reference to nothing: %v", err)
	}
}

// An option that moved keeps its former names; a later file wins under
// whichever name.
func TestFormerNames(t *testing.T) {
	now, former := Option{"image_cache", "manager_interval"}, Option{"DEFAULT", "image_cache_manager_interval"}
	c := configOf(t, "[image_cache]\nmanager_interval=1\n[DEFAULT]\nimage_cache_manager_interval=2\n")
	if v, _, _ := c.Int(now, former); v != 1 {
		t.Errorf("in one file the new name wins: %d", v)
	}
	if err := c.Add("later", strings.NewReader("[DEFAULT]\nimage_cache_manager_interval=-1\n")); err != nil {
		t.Fatal(err)
	}
	if v, found, err := c.Int(now, former); v != -1 || !found || err != nil {
		t.Errorf("of the later file: %d %v %v", v, found, err)
	}
}

func TestTypes(t *testing.T) {
	c := configOf(t, "[DEFAULT]\na=Yes\nb=oFF\nc=maybe\nd= 42\ne=\nf=1.5\n")
	for name, want := range map[string]bool{"a": true, "b": false} {
		if v, found, err := c.Bool(Option{"", name}); v != want || !found || err != nil {
			t.Errorf("%s: %v %v %v", name, v, found, err)
		}
	}
	if _, _, err := c.Bool(Option{"", "c"}); !errors.Is(err, ErrValue) {
		t.Error(err)
	}
	if v, found, err := c.Int(Option{"", "d"}); v != 42 || !found || err != nil {
		t.Error(v, found, err)
	}
	if _, found, err := c.Int(Option{"", "e"}); found || err != nil {
		t.Error(found, err)
	}
	if _, _, err := c.Int(Option{"", "f"}); !errors.Is(err, ErrValue) {
		t.Error(err)
	}
}

func TestReadErrors(t *testing.T) {
	fsys := fstest.MapFS{
		"nova.conf":   {Data: []byte("[DEFAULT]\nmy_password = secret\ntransport_url\n")},
		"dir.conf/x":  {},
		"d/bad.conf":  {Data: []byte("a=1")},
		"large.conf":  {Data: make([]byte, maxFile+1)},
		"binary.conf": {Data: []byte("\x7fELF\xff")},
		"d2/f.conf/x": {},
	}
	for name, want := range map[string]error{
		"nova.conf": ErrSyntax, "d": ErrSyntax, "large.conf": ErrSyntax, "binary.conf": ErrSyntax, "no.conf": fs.ErrNotExist,
	} {
		if _, err := Read(fsys, name); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "transport_url") {
			t.Errorf("%s: the error quotes the file: %v", name, err)
		}
	}
	if _, err := Read(fsys, "d2"); err == nil {
		t.Error("a folder of the name of a file was read")
	}
	if _, err := Read(fsys); err == nil {
		t.Error("no files are a configuration")
	}
}

// A few lines must not cost the memory or the time of 2^60 references.
func TestReferencesAreBounded(t *testing.T) {
	for _, leaf := range []string{"", "x"} {
		var b strings.Builder
		b.WriteString("[DEFAULT]\n")
		for c := 'a'; c < 'z'; c++ {
			b.WriteString(string(c) + "=$" + strings.Repeat(string(c+1)+"$", 60) + "\n")
		}
		b.WriteString("z=" + leaf + "\n")
		begun := time.Now()
		if _, _, err := configOf(t, b.String()).Get(Option{"", "a"}); err == nil {
			t.Error("25 levels of 60 references were replaced")
		}
		if d := time.Since(begun); d > 20*time.Second {
			t.Errorf("took %v", d)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("[DEFAULT]\na=$b\n ${c}\nb:'$$'\n", "[G]\na=1")
	f.Add("[a]\nb=$c.d\n[c]\nd=$e\n", "\ufeff")
	f.Fuzz(func(t *testing.T, one, two string) {
		c := &Config{}
		for _, body := range []string{one, two} {
			if err := c.Add("f", strings.NewReader(body)); err != nil && !errors.Is(err, ErrSyntax) {
				t.Fatal(err)
			}
		}
		for _, o := range options(c) {
			v, found, err := c.Get(Option{o[0], o[1]})
			if !found || err != nil && v != "" || err != nil && !errors.Is(err, ErrReference) && !errors.Is(err, ErrValue) {
				t.Errorf("%q: %q %v %v", o, v, found, err)
			}
		}
	})
}
