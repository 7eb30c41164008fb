package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/stackmend/stackmend/bootvolume"
	"github.com/stackmend/stackmend/examples/cli"
)

// A proxy is a HAProxy that runs here: how it is checked and reloaded, and
// where it says what it does.
type proxy struct {
	host          string
	dial          bootvolume.Dialer
	check, reload []string
}

// Check has the checker look at all the files together.
func (p *proxy) Check(ctx context.Context, files []string) (warnings []string, err error) {
	words := append([]string(nil), p.check...)
	for _, f := range files {
		words = append(words, "-f", f)
	}
	out, err := command(ctx, words)
	return bootvolume.CheckerWarnings(cli.Clean(out)), err
}

func (p *proxy) Reload(ctx context.Context) error {
	_, err := command(ctx, p.reload)
	return err
}

func (p *proxy) Generation(ctx context.Context) (string, error) {
	r, err := p.ask(ctx)
	if err == nil && r.Worker == "" {
		err = errors.New("HAProxy does not say which process it is")
	}
	return r.Worker, err
}

// Healthy: every proxy is open, or has a server.
func (p *proxy) Healthy(ctx context.Context) error {
	r, err := p.ask(ctx)
	if err != nil {
		return err
	}
	for _, l := range r.Servers {
		if l.Server == "FRONTEND" && l.Status != "OPEN" || l.Server == "BACKEND" && !strings.HasPrefix(l.Status, "UP") {
			return fmt.Errorf("%s is %s", l.Proxy, l.Status)
		}
	}
	return nil
}

// unfit is why nothing may be edited as it is: afterwards it could not be told
// whether the edit has done harm.
func (p *proxy) unfit(ctx context.Context, files []string) (why []string) {
	if _, err := p.Check(ctx, files); err != nil {
		why = append(why, "the files are refused before they are edited: "+err.Error())
	}
	if err := p.Healthy(ctx); err != nil {
		why = append(why, "HAProxy is not healthy before the edit, and what it is afterwards would not tell whether that did harm: "+err.Error())
	}
	return why
}

// answer bounds how long one look at HAProxy may take.
const answer = 10 * time.Second

func (p *proxy) ask(ctx context.Context) (bootvolume.Runtime, error) {
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	return bootvolume.ReadRuntime(ctx, p.dial, p.host)
}

// command runs a program. One that leaves another behind which keeps its
// output open has ended all the same.
func command(ctx context.Context, words []string) (output string, err error) {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return string(out), nil
	}
	const most = 2000
	return string(out), fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, cli.Clean(strings.TrimSpace(string(out[max(0, len(out)-most):]))))
}
