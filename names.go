package stackmend

import (
	"fmt"
	"slices"
)

// The small enumerations of this package are numbers in Go and words in
// JSON. A word that is not known is an error, never the zero value.

func name(names []string, v uint8, kind string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("%s(%d)", kind, v)
}

func marshalName(names []string, v uint8, kind string) ([]byte, error) {
	if int(v) >= len(names) {
		return nil, fmt.Errorf("stackmend: %s %d has no name", kind, v)
	}
	return []byte(names[v]), nil
}

func unmarshalName(names []string, b []byte, v *uint8, kind string) error {
	i := slices.Index(names, string(b))
	if i < 0 {
		return fmt.Errorf("%w: %s %q", ErrSchema, kind, b)
	}
	*v = uint8(i)
	return nil
}
