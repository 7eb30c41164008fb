package supervisor

import "regexp"

// Kind is what supervises a daemon.
type Kind string

// The kinds that [Detect] tells apart.
const (
	KindUnknown   Kind = ""
	KindSystemd   Kind = "systemd"
	KindCephadm   Kind = "cephadm"
	KindContainer Kind = "container" // docker or podman without a unit of Ceph's
	KindRook      Kind = "rook"
	KindProcess   Kind = "process"
)

var (
	cephadmUnit   = regexp.MustCompile(`ceph(?:-|\\x2d)[0-9a-f]{8}(?:(?:-|\\x2d)[0-9a-f]{4}){3}(?:-|\\x2d)[0-9a-f]{12}@osd\.\d+`)
	packageUnit   = regexp.MustCompile(`ceph-osd@[^/]*\.service`)
	kubernetesPod = regexp.MustCompile(`kubepods|/pod[0-9a-f]{8}`)
	containerID   = regexp.MustCompile(`(?:docker|libpod|crio|cri-containerd)[-/][0-9a-f]{12,}`)
)

// Detect tells from /proc/PID/cgroup of a running OSD what supervises it. A
// container of docker's lies beside the unit that made it, not in it: look for
// a unit of its number before taking KindContainer for the whole truth.
func Detect(cgroup string) Kind {
	switch {
	case kubernetesPod.MatchString(cgroup):
		return KindRook
	case cephadmUnit.MatchString(cgroup):
		return KindCephadm
	case packageUnit.MatchString(cgroup):
		return KindSystemd
	case containerID.MatchString(cgroup):
		return KindContainer
	case cgroup == "":
		return KindUnknown
	}
	return KindProcess
}
