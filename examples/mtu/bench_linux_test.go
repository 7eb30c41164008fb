package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stackmend/stackmend/examples/cli"
)

// BenchmarkThousandHosts judges the files of a thousand hosts of two hundred
// links, and those of twenty beside them, each in a process of its own, and
// reports the most memory that they ever had.
func BenchmarkThousandHosts(b *testing.B) {
	if dir := os.Getenv("MTU_BENCH_DIR"); dir != "" {
		var out bytes.Buffer
		args := []string{"-nagios"}
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range files {
			args = append(args, "-links", f)
		}
		none := func(string) string { return "" }
		if status := new(tool).tool().Run(b.Context(), args, cli.Streams{Out: &out, Err: io.Discard, Getenv: none}); status != 3 {
			b.Fatalf("status %d: %.500s", status, out.String()) // unknown: nobody saw the other sides
		}
		return
	}
	few, all := hosts(b, 20), hosts(b, 1000)
	for b.Loop() {
		x, y := memory(b, few), memory(b, all)
		b.ReportMetric(x, "MiB-of-20")
		b.ReportMetric(y, "MiB-of-1000")
		b.ReportMetric(y/x, "x-20-hosts")
	}
}

// hosts writes files of ip -d -j link.
func hosts(b *testing.B, n int) string {
	b.Helper()
	dir := b.TempDir()
	var list bytes.Buffer
	link := func(i int, name, more string) {
		fmt.Fprintf(&list, `%s{"ifindex":%d,"ifname":%q,"flags":["BROADCAST","UP","LOWER_UP"],"mtu":1500,"operstate":"UP","link_type":"ether","min_mtu":68,"max_mtu":65535%s}`,
			map[bool]string{true: "[", false: ","}[i == 1], i, name, more)
	}
	link(1, "eth0", "")
	for i := 2; i < 200; i += 3 {
		link(i, fmt.Sprintf("br%d", i), `,"linkinfo":{"info_kind":"bridge"}`)
		link(i+1, fmt.Sprintf("vlan%d", i), fmt.Sprintf(`,"link":"eth0","master":"br%d","linkinfo":{"info_kind":"vlan","info_data":{"protocol":"802.1Q","id":%d}}`, i, i))
		link(i+2, fmt.Sprintf("tap%d", i), fmt.Sprintf(`,"master":"br%d","linkinfo":{"info_kind":"tun","info_data":{"type":"tap"}}`, i))
	}
	list.WriteString("]")
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("host%04d.json", i)), list.Bytes(), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

func memory(b *testing.B, dir string) float64 {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^$", "-test.bench=^BenchmarkThousandHosts$", "-test.benchtime=1x")
	cmd.Env = append(os.Environ(), "MTU_BENCH_DIR="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
}
