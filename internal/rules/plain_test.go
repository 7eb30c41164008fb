package rules

import (
	"encoding"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stackmend/stackmend/bootvolume"
	"github.com/stackmend/stackmend/bpdu"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/pglog"
	"github.com/stackmend/stackmend/ceph/watchdog"
	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/dbarchive"
	"github.com/stackmend/stackmend/dhcp"
	"github.com/stackmend/stackmend/imagecache"
	"github.com/stackmend/stackmend/mtu"
)

// TestPlain holds what packages observe to plain data: it can be kept as JSON,
// and judged from it elsewhere.
func TestPlain(t *testing.T) {
	seen := map[reflect.Type]bool{}
	for _, snapshot := range []reflect.Type{
		reflect.TypeFor[imagecache.Snapshot](), reflect.TypeFor[mtu.Snapshot](), reflect.TypeFor[bpdu.Snapshot](),
		reflect.TypeFor[consolelog.Snapshot](), reflect.TypeFor[dbarchive.Snapshot](), reflect.TypeFor[bootvolume.Snapshot](),
		reflect.TypeFor[dhcp.Snapshot](), reflect.TypeFor[ceph.Observed](), reflect.TypeFor[pglog.Snapshot](), reflect.TypeFor[watchdog.Report](),
	} {
		plain(t, snapshot.String(), snapshot, seen)
	}
}

func plain(t *testing.T, path string, of reflect.Type, seen map[reflect.Type]bool) {
	if seen[of] || asText(t, path, of) {
		return
	}
	seen[of] = true
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		plain(t, path, of.Elem(), seen)
	case reflect.Map:
		plain(t, path+" (key)", of.Key(), seen)
		plain(t, path, of.Elem(), seen)
	case reflect.Struct:
		for i := range of.NumField() {
			f := of.Field(i)
			if !f.IsExported() || f.Tag.Get("json") == "-" {
				t.Errorf("%s.%s is not kept", path, f.Name)
				continue
			}
			plain(t, path+"."+f.Name, f.Type, seen)
		}
	case reflect.Interface, reflect.Func, reflect.Chan:
		t.Errorf("%s is a %s", path, of.Kind())
	}
}

// asText tells a type that writes itself, and must read itself.
func asText(t *testing.T, path string, of reflect.Type) bool {
	p := reflect.PointerTo(of)
	if !p.Implements(reflect.TypeFor[json.Marshaler]()) && !p.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return false
	}
	if !p.Implements(reflect.TypeFor[json.Unmarshaler]()) && !p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		t.Errorf("%s, a %s, is written and not read", path, of)
	}
	return true
}
