package bootvolume

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
)

// A Master is what the master of a HAProxy says of its workers.
type Master struct {
	Asked  bool
	Failed int64     // reloads that failed since the last that did not: the files are not in effect
	Old    []Process // workers of before a reload, which still have sessions
}

// A Process is a worker of HAProxy.
type Process struct {
	PID    int64
	Uptime string // such as "0d00h01m10s"
}

// ReadMaster asks the master of a HAProxy that runs with -W (or master-worker)
// and -S: the runtime socket knows of one worker alone. Similar To: show proc.
func (r *Runtime) ReadMaster(ctx context.Context, dial Dialer) error {
	r.Master = Master{}
	if err := r.ask(ctx, dial, "show proc;quit", r.Master.read); err != nil {
		return fmt.Errorf("%s: show proc: %w", r.Host, err)
	}
	return nil
}

// read reads "show proc" of HAProxy 2.6; its sections begin with a #.
func (m *Master) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	old := false
	for lines.Scan() {
		line := lines.Text()
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "#"):
			old = strings.HasPrefix(line, "# old workers")
		case len(words) < 4:
		case words[1] == "master":
			m.Asked = true
			if _, failed, ok := strings.Cut(line, "[failed: "); ok {
				failed, _, _ = strings.Cut(failed, "]")
				m.Failed = number(failed)
			}
		case words[1] == "worker" && old:
			m.Old = append(m.Old, Process{PID: number(words[0]), Uptime: words[3]})
		}
	}
	if err := lines.Err(); err != nil || m.Asked {
		return err
	}
	return fmt.Errorf("%w: no master", ErrAnswer)
}
