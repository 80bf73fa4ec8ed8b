package native

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Names in /proc that stay as they are; links among them lead into the process's own directory.
var procKept = map[string]bool{
	"self": true, "thread-self": true, "net": true, "mounts": true,
	"cpuinfo": true, "filesystems": true, "version": true,
}

// procReadOnly stays too, and is never writable whoever asks.
const procReadOnly = "sys"

// procFiles are shown in place of the kernel's, which would tell of the host and its load and
// let two environments find out that they share it.
func procFiles(memoryMB int, now time.Time) map[string]string {
	kb := strconv.Itoa(memoryMB << 10)
	var stat strings.Builder
	stat.WriteString("cpu  0 0 0 0 0 0 0 0 0 0\n")
	for n := range runtime.NumCPU() {
		fmt.Fprintf(&stat, "cpu%d 0 0 0 0 0 0 0 0 0 0\n", n)
	}
	fmt.Fprintf(&stat, "intr 0\nctxt 0\nbtime %d\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n", now.Unix())
	return map[string]string{
		"meminfo": "MemTotal:       " + kb + " kB\nMemFree:        " + kb + " kB\nMemAvailable:   " + kb + " kB\n" +
			"Buffers:        0 kB\nCached:         0 kB\nSwapCached:     0 kB\nActive:         0 kB\nInactive:       0 kB\n" +
			"SwapTotal:      0 kB\nSwapFree:       0 kB\nShmem:          0 kB\nSlab:           0 kB\n",
		"stat":    stat.String(),
		"uptime":  "1.00 1.00\n",
		"loadavg": "0.00 0.00 0.00 1/1 1\n",
	}
}

// procAction says what becomes of a name in /proc.
type procAction uint8

const (
	procKeep   procAction = iota
	procFreeze            // read-only
	procFake              // shown from procFiles
	procMask              // hidden: an empty file or directory lies over it
)

// decideProc decides on a name: what is not known is hidden.
func decideProc(name string, faked bool) procAction {
	switch {
	case name == "" || name[0] >= '0' && name[0] <= '9', procKept[name]:
		return procKeep
	case name == procReadOnly:
		return procFreeze
	case faked:
		return procFake
	default:
		return procMask
	}
}
