package dhcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// command is iperf3's. What is not acknowledged for stuckFor ends it: a network
// that has stopped must not be waited for.
//
// Similar To: iperf3 -c ADDR -J --bidir --snd-timeout 10000
// (https://github.com/esnet/iperf/blob/3.12/src/iperf3.1).
func (l sending) command(iperf3 []string) []string {
	if len(iperf3) == 0 {
		iperf3 = []string{"iperf3"}
	}
	stuck := strconv.FormatInt(stuckFor.Milliseconds(), 10)
	all := append(iperf3[:len(iperf3):len(iperf3)], "-c", l.addr.String(), "-p", strconv.Itoa(l.port), "-t", strconv.Itoa(int(l.span.Seconds())), "-i", "1", "-J",
		"-P", strconv.Itoa(l.streams), "-b", strconv.FormatInt(l.rate, 10), "--connect-timeout", stuck, "--snd-timeout", stuck, "--rcv-timeout", stuck)
	switch l.direction {
	case FromInstance:
		all = append(all, "-R")
	case BothWays:
		all = append(all, "--bidir")
	}
	return all
}

// stuckFor is how long nothing may pass.
const stuckFor = 10 * time.Second

// A carriage is what iperf3 says of the load.
type carriage struct {
	began time.Time
	bytes int64         // both ways
	moved time.Duration // from its begin until the last interval in which something passed
	stall time.Duration // the longest time in which nothing did, between others in which it did
	err   string        // empty: it ended well
}

// parseCarriage reads the output of iperf3 -J. One that was ended early has its
// intervals all the same.
func parseCarriage(b []byte) (f carriage, err error) {
	type sum struct {
		Start, End float64
		Bytes      int64
	}
	var out struct {
		Start struct {
			Timestamp struct {
				Seconds int64 `json:"timesecs"`
			}
		}
		Intervals []struct {
			Sum     sum
			Reverse sum `json:"sum_bidir_reverse"`
		}
		Error string
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return f, fmt.Errorf("dhcp: iperf3's JSON: %w", err)
	}
	f.began, f.err = time.Unix(out.Start.Timestamp.Seconds, 0).UTC(), out.Error
	for _, i := range out.Intervals {
		n := i.Sum.Bytes + i.Reverse.Bytes
		if min(i.Sum.Bytes, i.Reverse.Bytes) < 0 || max(i.Sum.Bytes, i.Reverse.Bytes) > maxInterval || !(i.Sum.Start >= 0 && i.Sum.End >= i.Sum.Start && i.Sum.End < MaxSoak.Seconds()) {
			return f, errors.New("dhcp: iperf3's JSON: an interval that makes no sense")
		}
		if n == 0 {
			continue
		}
		if f.bytes += n; f.bytes < 0 {
			return f, errors.New("dhcp: iperf3's JSON: more bytes than can be")
		}
		f.stall = max(f.stall, ofSeconds(i.Sum.Start)-f.moved)
		f.moved = max(f.moved, ofSeconds(i.Sum.End))
	}
	return f, nil
}

func ofSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// maxInterval bounds the bytes of an interval.
const maxInterval = 1 << 60

// An iperf is one that runs.
type iperf struct {
	cmd  *exec.Cmd
	out  bytes.Buffer
	errs bytes.Buffer
	done chan struct{} // closed when it has ended
	err  error         // read after done
}

func startIperf(command []string, lock *os.File) (*iperf, error) {
	p := &iperf{cmd: exec.Command(command[0], command[1:]...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errs
	if lock != nil {
		p.cmd.ExtraFiles = []*os.File{lock}
	}
	if err := p.launch(); err != nil {
		return nil, fmt.Errorf("dhcp: %w", err)
	}
	return p, nil
}

// end has it say what it has seen so far, and waits for its end.
func (p *iperf) end() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.done:
	case <-time.After(stuckFor / 2):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// carriage is what it said, after its end.
func (p *iperf) carriage() (carriage, error) {
	f, err := parseCarriage(p.out.Bytes())
	if err != nil {
		err = fmt.Errorf("%w: %s: %v: %.300s", err, strings.Join(p.cmd.Args, " "), p.err, p.errs.String())
	}
	return f, err
}
