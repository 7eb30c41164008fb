package imagecache

import (
	"reflect"
	"testing"
)

func TestLinks(t *testing.T) {
	r := roots{"/srv/nova", "/var/lib/nova/instances"}
	for _, c := range []struct {
		name string
		want []Link // nil: an error
	}{
		{"/var/lib/nova/instances/_base/x", []Link{{Inside, "", "_base/x"}}},
		{"/srv/nova/_base/x", []Link{{Inside, "", "_base/x"}}},
		{"/srv/nova/a/../_base/./x", []Link{{Inside, "", "_base/x"}}},
		{"disk.snap", []Link{{Inside, "", "uuid/disk.snap"}}},
		{"../_base/x", []Link{{Inside, "", "_base/x"}}},
		{"../../x", []Link{{Kind: Outside}}},
		{"/srv/nova2/_base/x", []Link{{Kind: Outside}}},
		{"/srv/nova", []Link{{Kind: Outside}}},
		{"file:/srv/nova/_base/x", []Link{{Inside, "/srv/nova/_base/x", "_base/x"}}},
		{"./a:b", []Link{{Inside, "", "uuid/a:b"}}},
		{"rbd:pool/image", []Link{{Kind: Remote}}},
		{"nbd:localhost:10809", nil},
		{"host_device:/dev/sda", nil},
		{`json:{"driver":"qcow2","file":{"driver":"file","filename":"/srv/nova/_base/x"}}`,
			[]Link{{Inside, "/srv/nova/_base/x", "_base/x"}}},
		{`json:{"file.driver":"file","file.filename":"/srv/nova/_base/x","file.filename":"/srv/nova/_base/y"}`,
			[]Link{{Inside, "/srv/nova/_base/x", "_base/x"}, {Inside, "/srv/nova/_base/y", "_base/y"}}},
		{`json:{"driver":"rbd","pool":"p","image":"_base/x"}`, []Link{{Hint, "p", ""}, {Hint, "_base/x", ""}}},
		{`json:{"driver":"nbd","path":"/run/x"}`, nil},
		{`json:{"driver":"qcow2","file":"node0"}`, nil},
		{`json:{"filename":"relative"}`, nil},
		{`json:{"filename":"/srv/nova/_base/x"`, nil},
		{`json:`, nil},
	} {
		got, err := r.links("uuid", c.name)
		for i := range got {
			if i < len(c.want) && c.want[i].Name == "" {
				got[i].Name = ""
			}
		}
		if (err != nil) != (c.want == nil) || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
}

func TestChains(t *testing.T) {
	in := func(rel string) []Link { return []Link{{Kind: Inside, Rel: rel}} }
	long := []Image{}
	for i := range maxChain + 5 {
		long = append(long, Image{"d", string(rune('A' + i)), in("d/" + string(rune('A'+i+1)))})
	}
	for name, c := range map[string]struct {
		images []Image
		want   int
	}{
		"none":     {},
		"two":      {[]Image{{"a", "disk", in("a/snap")}, {"a", "snap", in("_base/x")}}, 0},
		"itself":   {[]Image{{"a", "disk", in("a/disk")}}, 1},
		"loop":     {[]Image{{"a", "disk", in("a/b")}, {"a", "b", in("a/c")}, {"a", "c", in("a/b")}}, 3},
		"diamond":  {[]Image{{"a", "disk", append(in("a/b"), in("a/c")...)}, {"a", "b", in("a/x")}, {"a", "c", in("a/x")}}, 0},
		"too long": {long, 6},
	} {
		if got := chainProblems(c.images); len(got) != c.want {
			t.Errorf("%s: %v, want %d", name, got, c.want)
		}
	}
}
