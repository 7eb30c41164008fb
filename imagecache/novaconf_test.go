package imagecache

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestReadConfig(t *testing.T) {
	def := Config{Read: true, RemoveUnused: true, Interval: 2400 * time.Second, OriginalMinAge: day, ResizedMinAge: time.Hour,
		ImagesType: "default", Subdir: "_base"}
	with := func(f func(c *Config)) Config {
		c := def
		f(&c)
		return c
	}
	for name, c := range map[string]struct {
		conf    string
		want    Config
		wantErr string
	}{
		"empty":      {"", def, ""},
		"off":        {"[image_cache]\nremove_unused_base_images = no\n", with(func(c *Config) { c.RemoveUnused = false }), ""},
		"older name": {"[DEFAULT]\nimage_cache_manager_interval = -1\n", with(func(c *Config) { c.Interval = -time.Second }), ""},
		"rbd":        {"[libvirt]\nimages_type=rbd\nremove_unused_resized_minimum_age_seconds=60\n", with(func(c *Config) { c.ImagesType, c.ResizedMinAge = "rbd", time.Minute }), ""},
		"per host":   {"[DEFAULT]\nmy_ip=10.0.0.1\n[image_cache]\nsubdirectory_name = _base_$my_ip\n", with(func(c *Config) { c.Subdir = "_base_10.0.0.1" }), ""},
		"no ip":      {"[image_cache]\nsubdirectory_name = _base_$my_ip\n", Config{}, "my_ip"},
		"a path":     {"[image_cache]\nsubdirectory_name = ../other\n", Config{}, "not one plain name"},
		"no boolean": {"[image_cache]\nremove_unused_base_images = maybe\n", Config{}, "maybe"},
		"no number":  {"[image_cache]\nmanager_interval = often\n", Config{}, "often"},
		"too low":    {"[image_cache]\nmanager_interval = -2\n", Config{}, "-2 seconds"},
	} {
		fsys := fstest.MapFS{"nova.conf": {Data: []byte(c.conf)}}
		got, err := ReadConfig(fsys, "nova.conf")
		if got != c.want || (err == nil) != (c.wantErr == "") || err != nil && !strings.Contains(err.Error(), c.wantErr) {
			t.Errorf("%s: %+v, %v, want %+v, %q", name, got, err, c.want, c.wantErr)
		}
	}
}

func TestOdd(t *testing.T) {
	file := fileInfo{Links: 1, Size: 1}
	for name, want := range map[string]string{
		unused: "", unused + "_20": "", unused + "_sm": "", "swap_512": "", "ephemeral_20_default": "", "ephemeral_1_ab12cd3": "",
		unused + ".part": "being made", unused + ".converted": "being made", ".nfs0000000001": "NFS keeps it",
		unused[1:]: "no name that nova gives", unused + "_": "no name", "swap_": "no name", "a\nb": "cannot be written", "\xff": "cannot be written",
	} {
		if got := odd(name, file); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
