package watchdog

import (
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// fakeOSD in the environment makes the test binary a process that looks like
// an OSD: it takes memory, and ends on SIGTERM.
const fakeOSD = "STACKMEND_FAKE_OSD_MIB"

func TestMain(m *testing.M) {
	if size := os.Getenv(fakeOSD); size != "" {
		beOSD(size)
	}
	// For its children: a program built with -race otherwise sleeps a second
	// before it ends.
	if err := os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func beOSD(size string) {
	n, _ := strconv.Atoi(size)
	held := make([]byte, n<<20)
	for i := 0; i < len(held); i += 4096 {
		held[i] = 1
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(5 * time.Minute): // whoever started it has died
	}
	held[0] = 2
	os.Exit(0)
}

// osdCommand starts the test binary as a process that looks like osd.id of
// this configuration.
func osdCommand(id int, conf string, mebibytes int) *exec.Cmd {
	return &exec.Cmd{
		Path: os.Args[0], Args: []string{"/usr/bin/ceph-osd", "-f", "-i", strconv.Itoa(id), "-c", conf},
		Env: append(os.Environ(), fakeOSD+"="+strconv.Itoa(mebibytes)),
	}
}
