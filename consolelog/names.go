package consolelog

import (
	"path"
	"strings"
)

// isLog reports whether nova or virtlogd call a console's log so, or the
// caller does.
func isLog(name string, patterns []string) bool {
	if rest, ok := strings.CutPrefix(name, "console.log"); ok && (rest == "" || rotated(rest)) {
		return true
	}
	for _, p := range patterns {
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return false
}

// rotated reports whether text is .0, .1 and so on.
func rotated(text string) bool {
	digits, ok := strings.CutPrefix(text, ".")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}
