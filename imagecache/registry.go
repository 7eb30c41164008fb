package imagecache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"time"
)

// Registry is the file compute_nodes, in which every nova-compute that runs
// the image cache manager notes when it last did
// (nova/virt/storage_users.py, 26.2.2).
type Registry struct {
	Hosts   map[string]time.Time
	Problem string // why it cannot be relied on; empty: it can
}

const maxRegistry = 4 << 20

// readRegistry reads the file, again if it cannot be understood: nova
// truncates it and then writes it.
func readRegistry(ctx context.Context, root folder) Registry {
	var r Registry
	for try := range 4 {
		if try > 0 {
			select {
			case <-ctx.Done():
				return r
			case <-time.After(50 * time.Millisecond):
			}
		}
		if r = readRegistryOnce(root); r.Problem == "" {
			return r
		}
	}
	return r
}

func readRegistryOnce(root folder) Registry {
	f, err := root.open("compute_nodes")
	if errors.Is(err, fs.ErrNotExist) {
		return Registry{Problem: "compute_nodes does not exist: no nova-compute has registered here"}
	}
	if err != nil {
		return Registry{Problem: "compute_nodes cannot be read: " + err.Error()}
	}
	defer f.Close()
	return ParseRegistry(io.NewSectionReader(f, 0, maxRegistry+1))
}

// ParseRegistry reads the JSON object of hosts and seconds since 1970. What
// nova would read as nobody (a file that is empty, cut, or no object) is a
// Problem here.
func ParseRegistry(r io.Reader) Registry {
	b, err := io.ReadAll(io.LimitReader(r, maxRegistry+1))
	switch {
	case err != nil:
		return Registry{Problem: "compute_nodes cannot be read: " + err.Error()}
	case len(b) == 0:
		return Registry{Problem: "compute_nodes is empty: it was cut"}
	case len(b) > maxRegistry:
		return Registry{Problem: fmt.Sprintf("compute_nodes has more than %d bytes", maxRegistry)}
	}
	var seconds map[string]float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return Registry{Problem: "compute_nodes is damaged: " + err.Error()}
	}
	if len(seconds) == 0 {
		return Registry{Problem: "compute_nodes names no host"}
	}
	return register(seconds)
}

func register(seconds map[string]float64) Registry {
	out := Registry{Hosts: make(map[string]time.Time, len(seconds))}
	for host, s := range seconds {
		if !validName(host) {
			return Registry{Problem: fmt.Sprintf("compute_nodes names %+q, which is no host", host)}
		}
		if s <= 0 || s > 1<<40 {
			return Registry{Problem: fmt.Sprintf("compute_nodes says %v for %s, which is no time", s, host)}
		}
		whole, frac := math.Modf(s)
		out.Hosts[host] = time.Unix(int64(whole), int64(frac*1e9))
	}
	return out
}
