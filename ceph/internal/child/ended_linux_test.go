package child

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestEnded: a process that runs has not ended, one that nobody has waited for
// has, and so has one that never was.
func TestEnded(t *testing.T) {
	if Ended(os.Getpid()) {
		t.Error("this process has ended")
	}
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if Ended(cmd.Process.Pid) {
		t.Error("it runs")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); !Ended(cmd.Process.Pid); time.Sleep(time.Millisecond) { // a zombie now
		if time.Now().After(end) {
			t.Fatal("a zombie has not ended")
		}
	}
	_ = cmd.Wait()
	if !Ended(cmd.Process.Pid) {
		t.Error("nobody has that number")
	}
}
