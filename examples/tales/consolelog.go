package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/examples/cli"
)

var consolelogTale = tale{
	name: "consolelog", title: "A console log of 5.5 GB",
	story: "A guest prints without end. Its owner refreshes the dashboard, and each time the whole log crosses RabbitMQ; the brokers' " +
		"memory leaks away and instances do not launch. Nagios sees nothing but a network spike.",
	play: playConsolelog,
}

const (
	logSize = 5_500_000_000
	logHeld = 128 << 20
	logKeep = 1 << 20
)

func playConsolelog(s *stage) error {
	log, err := makeLog(s.dir)
	if err != nil {
		return err
	}
	policy := consolelog.Policy{Limit: 100 << 20, Keep: logKeep}
	seen, err := seeLogs(s)
	if errors.Is(err, errors.ErrUnsupported) {
		s.say("", "Who writes a log can be seen on Linux alone, so this tale ends here.")
		return nil
	}
	if err != nil {
		return err
	}
	check, err := consolelog.Check(seen, policy)
	if err != nil {
		return err
	}
	if err := errors.Join(
		s.result("What a check says", "A file of that size was made in the sandbox, sparse but for its last 128 MiB.", check),
		s.table(func(w io.Writer) error { return sizes(w, seen) })); err != nil {
		return err
	}
	return boundLog(s, log, seen, policy)
}

// seeLogs sees the sandbox. How a libvirt of this host bounds its logs is no
// part of the tale.
func seeLogs(s *stage) (*consolelog.Snapshot, error) {
	seen, err := consolelog.Observe(s.ctx, consolelog.Source{Instances: s.dir, Sample: 1})
	if err == nil {
		seen.Virtlogd, seen.Qemu = nil, nil
	}
	return seen, err
}

// makeLog makes the log of one instance: a hole, and numbered lines at its end.
func makeLog(dir string) (string, error) {
	path := filepath.Join(dir, "6f1c3a5e-2a52-4c39-9d3b-0a6e5f7d9b10", "console.log")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var b bytes.Buffer
	for i := 0; b.Len() < logHeld; i++ {
		fmt.Fprintf(&b, "[%10d] EXT4-fs error (device vda1): ext4_find_entry: reading directory lblock 0\n", i)
	}
	_, err = f.WriteAt(b.Bytes(), logSize-int64(b.Len()))
	return path, err
}

func sizes(w io.Writer, seen *consolelog.Snapshot) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "LOG\tSIZE\tON DISK\tITS MOST REPEATED LINE")
	for _, l := range seen.Logs {
		fmt.Fprintf(tab, "%s/%s\t%s\t%s\t%s\n", l.Instance, l.Name, cli.Bytes(l.Size), cli.Bytes(l.Allocated), l.Sample.Most)
	}
	return tab.Flush()
}

// boundLog bounds the log, if it can be seen who writes it, and compares what
// people see of it before and after.
func boundLog(s *stage, log string, seen *consolelog.Snapshot, policy consolelog.Policy) error {
	before, err := end(log)
	if err != nil {
		return err
	}
	plan, err := consolelog.Plan(seen, policy)
	if err != nil {
		return err
	}
	a, err := consolelog.NewApplier(consolelog.Site{Instances: s.dir})
	if err != nil {
		return err
	}
	if err := s.run("What is removed without an archive cannot be had back, so it is refused at first", "", plan, a,
		stackmend.Options{Mode: stackmend.Apply}); err != nil {
		return err
	}
	if err := s.run("The operator does not want the repeated line back", "", plan, a,
		stackmend.Options{Mode: stackmend.Apply, Irreversible: true}); err != nil {
		return err
	}
	after, err := end(log)
	if err != nil {
		return err
	}
	if !bytes.Equal(before, after) {
		return errors.New("the end of the log is not what it was")
	}
	seen, err = seeLogs(s)
	if err != nil {
		return err
	}
	if err := s.table(func(w io.Writer) error { return sizes(w, seen) }); err != nil {
		return err
	}
	check, err := consolelog.Check(seen, policy)
	if err != nil {
		return err
	}
	return s.result("The check again", "What nova shows of the console, the last 100 KiB, is to the byte what it was.", check)
}

// end is what nova would show of the log.
func end(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	b := make([]byte, consolelog.NovaReads)
	_, err = f.ReadAt(b, size-int64(len(b)))
	return b, err
}
