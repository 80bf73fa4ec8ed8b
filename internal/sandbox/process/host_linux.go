package process

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"lambent.dev/lambent/internal/sandbox"
)

// childAttributes: a process group of its own, and the kernel kills it when the server dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// keepInheritedFiles marks the files that whoever started the server left open, so that no
// function gets them. Go's own are marked anyway.
func keepInheritedFiles() error {
	return os.NewSyscallError("close_range", unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC))
}

// limit sets the limits of a process that has just started; what it starts inherits them.
func limit(pid int, s sandbox.Shape) error {
	limits := map[int]uint64{unix.RLIMIT_NOFILE: openFiles, unix.RLIMIT_CORE: 0}
	if s.EphemeralMB > 0 {
		limits[unix.RLIMIT_FSIZE] = uint64(s.EphemeralMB) << 20
	}
	for resource, value := range limits {
		if err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: value, Max: value}, nil); err != nil {
			return fmt.Errorf("limit %d of process %d: %w", resource, pid, err)
		}
	}
	return nil
}

// startOf answers when a process started, in ticks since the host did.
func startOf(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The name, which stands in parentheses, may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const startTime = 22 - 3 // the first field after the name is the third of all
	if len(fields) <= startTime {
		return "", fmt.Errorf("/proc/%d/stat has an unknown form", pid)
	}
	return fields[startTime], nil
}

// signalStrays signals every process whose environment variables hold the folder, and answers
// how many those were.
func signalStrays(dir string, sig syscall.Signal) int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	n := 0
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if signalIf(pid, dir, sig) {
			n++
		}
	}
	return n
}

// signalIf signals one process if it carries the folder. A descriptor holds on to the process
// between the look and the signal.
func signalIf(pid int, dir string, sig syscall.Signal) bool {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || !bytes.Contains(env, []byte(dir)) {
		return false
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if env, err = os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err != nil || !bytes.Contains(env, []byte(dir)) {
		return false
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0) == nil
}

// residentMB answers the resident memory of a process and what descends from it.
func residentMB(pid int) int {
	kb := residentKB(pid)
	return (kb + 1023) / 1024
}

func residentKB(pid int) int {
	sum := 0
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
		sum = statusKB(text, "VmRSS:")
	}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/children", pid))
	if err != nil {
		return sum
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				sum += residentKB(child)
			}
		}
	}
	return sum
}

// statusKB answers a number of /proc/PID/status, 0 where it is not there.
func statusKB(text []byte, key string) int {
	_, after, found := strings.Cut("\n"+string(text), "\n"+key)
	fields := strings.Fields(after)
	if !found || len(fields) == 0 {
		return 0
	}
	n, err := strconv.Atoi(fields[0])
	if err != nil {
		return 0
	}
	return n
}

// peakOf: looking finds the peak, and what the kernel keeps is of one process alone.
func peakOf(*os.ProcessState) int { return 0 }

// holdsMount answers whether anything is mounted at dir or below it.
func holdsMount(dir string) (bool, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false, err
	}
	return mountBelow(string(text), dir), nil
}

// mountBelow looks for a folder in the text of mountinfo, where the fifth field is the mount
// point with its spaces, tabs, newlines and backslashes in octal.
func mountBelow(mountinfo, dir string) bool {
	plain := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := plain.Replace(fields[4])
		if point == dir || strings.HasPrefix(point, dir+"/") {
			return true
		}
	}
	return false
}
