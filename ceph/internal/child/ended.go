package child

import (
	"bytes"
	"os"
	"strconv"
)

// Ended reports whether a process has let go of its files: it is gone, or a
// zombie without threads. Its command line is empty earlier, while the kernel
// still takes its memory back, and what it had locked is locked until then.
func Ended(pid int) bool {
	dir := "/proc/" + strconv.Itoa(pid)
	b, err := os.ReadFile(dir + "/stat")
	i := bytes.LastIndexByte(b, ')')
	if err != nil || i < 0 || i+2 >= len(b) {
		return true
	}
	if state := b[i+2]; state != 'Z' && state != 'X' {
		return false
	}
	tasks, err := os.ReadDir(dir + "/task")
	return err != nil || len(tasks) <= 1
}
