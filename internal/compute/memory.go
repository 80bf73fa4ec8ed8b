package compute

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
)

// unknownMemoryMB is assumed where the host does not say what it has.
const unknownMemoryMB = 4096

// availableMemoryMB reads what the host, and the cgroup that we live in, have to spare.
func availableMemoryMB() int {
	mb := unknownMemoryMB
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		mb = parseAvailableMB(text, mb)
	}
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			mb = int(min(int64(mb), n>>20))
		}
	}
	return max(mb, 1)
}

// parseAvailableMB finds MemAvailable in /proc/meminfo.
func parseAvailableMB(text []byte, otherwise int) int {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "MemAvailable:" {
			if kb, err := strconv.Atoi(fields[1]); err == nil {
				return kb / 1024
			}
		}
	}
	return otherwise
}
