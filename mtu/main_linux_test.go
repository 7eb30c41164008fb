package mtu

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// childEnv makes the test binary a program that changes links, or its
// watchdog.
const childEnv = "STACKMEND_MTU_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "run":
		exit(runChild(os.Args[1:]))
	case "watch":
		exit(watchChild(os.Args[1:]))
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// runChild applies a plan under a watchdog: namespace, journal, plan, how long
// the run may take, and "hang" if it shall.
func runChild(args []string) error {
	n, err := OpenNamespace("cmp", args[0])
	if err != nil {
		return err
	}
	b, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	var p stackmend.Plan
	if err := p.UnmarshalJSON(b); err != nil {
		return err
	}
	limit, err := time.ParseDuration(args[3])
	if err != nil {
		return err
	}
	j, err := stackmend.OpenJournal(args[1])
	if err != nil {
		return err
	}
	g := Guarded{Journal: args[1], Parent: os.Getpid(), Deadline: time.Now().Add(limit)}
	cmd := exec.Command("/proc/self/exe", append([]string{args[0]}, g.Args()...)...)
	cmd.Env = append(os.Environ(), childEnv+"=watch")
	cmd.Stderr = os.Stderr
	dog, err := StartWatchdog(cmd)
	if err != nil {
		return err
	}
	a := NewApplier(n, ApplierOptions{Confirm: ConfirmFile(args[1] + ".confirm"), OwnLink: true})
	r, err := stackmend.Run(context.Background(), &p, a, stackmend.Options{Mode: stackmend.Apply, Journal: j, MaxWait: time.Minute,
		OnEvent: func(e stackmend.Event) {
			if args[4] == "hang" && e.Step.Verb == VerbConfirm {
				time.Sleep(time.Hour)
			}
		}})
	fmt.Println(r.Outcomes)
	if derr := dog.Done(); derr != nil {
		return derr
	}
	return err
}

func watchChild(args []string) error {
	n, err := OpenNamespace("cmp", args[0])
	if err != nil {
		return err
	}
	g, err := ParseGuarded(args[1:])
	if err != nil {
		return err
	}
	g.Applier = NewApplier(n, ApplierOptions{})
	_, err = Watch(context.Background(), os.Stdin, g)
	return err
}

// child starts the test binary as a run of a plan.
func (l *lan) child(ns, dir string, p *stackmend.Plan, limit time.Duration, how string) *exec.Cmd {
	l.t.Helper()
	b, err := p.MarshalJSON()
	if err == nil {
		err = os.WriteFile(dir+"/plan", b, 0o600)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	at := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(l.ns[ns].ns))
	cmd := exec.Command("/proc/self/exe", at, dir+"/journal", dir+"/plan", limit.String(), how)
	cmd.Env = append(os.Environ(), childEnv+"=run")
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if l.t.Failed() {
			l.t.Logf("child: %s", out)
		}
	})
	return cmd
}
