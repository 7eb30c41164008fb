package pressure

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// injected reports whether settings can only be injected into the daemons:
// before Mimic the monitors have no database of them.
func injected(s *ceph.Snapshot) bool {
	lowest := s.Lowest()
	return lowest.Major > 0 && lowest.Major < 13
}

const byInjection = "inject"

// settingVerb is the verb of a step that sets a setting with these arguments.
func settingVerb(args map[string]string) string {
	if args["by"] == byInjection {
		return VerbInject
	}
	return VerbConfig
}

// stood is what stood before a setting is changed, or why that could not be
// put back.
func stood(s *ceph.Snapshot, who, name string) (was, why string) {
	if !injected(s) {
		return inDatabase(s, who, name)
	}
	switch was = used(s, who, name); len(strings.Fields(was)) {
	case 0:
		return "", fmt.Sprintf("no OSD told its %s: what is injected could not be put back", name)
	case 1:
		return was, ""
	}
	return "", fmt.Sprintf("OSDs use %s = %s: what each had could not be put back after an injection; make them alike first", name, was)
}

// stands reports whether a value is still as a step left it. Of daemons one is
// enough: others have started again since, with what their files say.
func stands(verb, now, left string) bool {
	if verb == VerbInject {
		return slices.ContainsFunc(strings.Fields(now), func(v string) bool { return contains(strings.Fields(left), v) })
	}
	return same(now, left)
}

// injectedBy reports whether what the daemons use is what a step has injected.
func injectedBy(s stackmend.Step, now string) bool {
	left, values := strings.Fields(s.Args["left"]), strings.Fields(now)
	if len(left) == 0 {
		return len(values) == 1 && same(values[0], s.Args["value"])
	}
	return !slices.ContainsFunc(values, func(v string) bool { return contains(left, v) && !same(v, s.Args["value"]) })
}

// halfway reports whether an injection has reached some of the daemons, and
// nobody else has changed any.
func halfway(s stackmend.Step, now string) bool {
	return s.Verb == VerbInject && !slices.ContainsFunc(strings.Fields(now), func(v string) bool {
		return !same(v, s.Args["value"]) && !same(v, s.Args["was"])
	})
}

func contains(list []string, value string) bool {
	return slices.ContainsFunc(list, func(v string) bool { return same(v, value) })
}
