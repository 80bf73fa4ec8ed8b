//go:build !linux

package process

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"lambent.dev/lambent/internal/sandbox"
)

// childAttributes: a process group of its own. There is no signal on the server's death here;
// Recover ends what a killed server leaves.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// keepInheritedFiles does nothing: files that the server was started with are seen by functions.
func keepInheritedFiles() error { return nil }

// limit sets nothing: only Linux can set the limits of another process.
func limit(int, sandbox.Shape) error { return nil }

// startOf answers when a process started, as ps says it.
func startOf(pid int) (string, error) {
	cmd := exec.Command("/bin/ps", "-o", "lstart=", "-p", strconv.Itoa(pid))
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC"}
	text, err := cmd.Output()
	return strings.TrimSpace(string(text)), err
}

// signalStrays finds none: other processes' variables can't be read.
func signalStrays(string, syscall.Signal) int { return 0 }

// residentMB is not known while a process runs.
func residentMB(int) int { return 0 }

// peakOf answers the peak of a process that has ended.
func peakOf(state *os.ProcessState) int {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return int(usage.Maxrss >> 20)
}

// holdsMount: without root, a function can mount nothing.
func holdsMount(string) (bool, error) { return false, nil }
