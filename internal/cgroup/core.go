package cgroup

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// Limits is what the processes of a group may use together.
type Limits struct {
	MemoryBytes int64
	CPUShares   int64 // proportion under contention; 1024 = one core's worth
	CPUMilli    int64 // ceiling, whether or not the host is idle
	Pids        int64
}

// check refuses what the kernel would take for "no limit".
func (l Limits) check() error {
	if l.MemoryBytes <= 0 || l.CPUShares < 2 || l.CPUMilli < 10 || l.Pids <= 0 {
		return fmt.Errorf("limits %+v do not limit", l)
	}
	return nil
}

// One core belongs to this much memory, as on AWS.
const memoryMBPerCore = 1769

// ForMemory answers the limits of an environment of the given size. CPU follows memory as
// shares, which count only while there is contention; the ceiling is never below one core.
// AWS gives a small function a slice of a core but boosts its start; a strict slice here would
// make the start of an interpreter ten times slower on an idle host, for nothing.
func ForMemory(memoryMB, pids int) Limits {
	milli := int64(memoryMB) * 1000 / memoryMBPerCore
	return Limits{
		MemoryBytes: int64(memoryMB) << 20,
		CPUShares:   max(2, int64(memoryMB)*1024/memoryMBPerCore),
		CPUMilli:    max(1000, milli),
		Pids:        int64(pids),
	}
}

// weight translates v1 shares (2 to 262144, usual 1024) into a v2 weight (1 to 10000, usual
// 100), keeping proportions.
func weight(shares int64) int64 { return min(10000, max(1, shares*100/1024)) }

// CheckName refuses what must not become a part of a path.
func CheckName(name string) error {
	if name == "" || len(name) > 64 || name[0] == '.' {
		return fmt.Errorf("cgroup name %q is empty, longer than 64 bytes, or starts with a dot", name)
	}
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return fmt.Errorf("cgroup name %q holds a character other than letters, digits, '-', '_' and '.'", name)
		}
	}
	return nil
}

// hierarchy is one mounted cgroup hierarchy and the part of it that the process sees as its own.
type hierarchy struct {
	v2          bool
	controllers []string // v1 only
	dir         string   // the process's own cgroup, as a path on this host
}

// needed are the v1 controllers without which an environment is not limited whole.
var needed = [...]string{"memory", "cpu", "pids"}

// freezer is the v1 controller that is used where no v2 hierarchy is mounted.
const freezer = "freezer"

// unified is the name of the v2 hierarchy among controllers.
const unified = ""

// parse reads /proc/self/mountinfo and /proc/self/cgroup.
func parse(mountinfo, self io.Reader) ([]hierarchy, error) {
	own, err := parseSelf(self)
	if err != nil {
		return nil, err
	}
	var found []hierarchy
	lines := bufio.NewScanner(mountinfo)
	lines.Buffer(make([]byte, 0, 64<<10), 1<<20)
	for lines.Scan() {
		left, right, ok := strings.Cut(lines.Text(), " - ")
		head, tail := strings.Fields(left), strings.Fields(right)
		if !ok || len(head) < 5 || len(tail) < 3 {
			continue
		}
		root, at := unescape(head[3]), unescape(head[4])
		switch tail[0] {
		case "cgroup2":
			found = append(found, hierarchy{v2: true, dir: ownDir(at, root, own[unified])})
		case "cgroup":
			h := hierarchy{}
			for option := range strings.SplitSeq(tail[2], ",") {
				if p, ok := own[option]; ok && option != "" {
					h.controllers = append(h.controllers, option)
					h.dir = ownDir(at, root, p)
				}
			}
			if h.dir != "" {
				found = append(found, h)
			}
		}
	}
	return found, lines.Err()
}

// parseSelf answers the process's cgroup per controller; "" is v2.
func parseSelf(r io.Reader) (map[string]string, error) {
	own := make(map[string]string)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			return nil, fmt.Errorf("cgroup line %q has not three parts", lines.Text())
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			own[controller] = parts[2]
		}
	}
	return own, lines.Err()
}

// ownDir answers where the cgroup p is seen when the hierarchy's part root is mounted at at.
// In a container p may lie outside of what is mounted; then the mount itself is its own.
func ownDir(at, root, p string) string {
	p = path.Clean("/" + p)
	if root != "/" {
		rest, ok := strings.CutPrefix(p, root)
		if !ok || (rest != "" && rest[0] != '/') {
			return at
		}
		p = rest
	}
	return path.Join(at, p)
}

// unescape undoes mountinfo's octal escapes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// choose picks v1 for limits where it has all that is needed, else v2, and answers a directory per
// controller. The v2 hierarchy is used for freezing and killing whenever it is mounted: what v1
// has frozen cannot even be killed.
func choose(found []hierarchy) (dirs map[string]string, v2 bool, err error) {
	all := make(map[string]string)
	for _, h := range found {
		names := h.controllers
		if h.v2 {
			names = []string{unified}
		}
		for _, c := range names {
			if _, ok := all[c]; !ok {
				all[c] = h.dir
			}
		}
	}
	dirs = make(map[string]string)
	_, hasV2 := all[unified]
	want := append(needed[:len(needed):len(needed)], unified)
	if !hasV2 {
		want[len(want)-1] = freezer
	}
	var missing []string
	for _, c := range want {
		if d, ok := all[c]; ok {
			dirs[c] = d
		} else {
			missing = append(missing, c)
		}
	}
	switch {
	case len(missing) == 0:
		return dirs, false, nil
	case hasV2:
		return map[string]string{unified: all[unified]}, true, nil
	default:
		return nil, false, fmt.Errorf("no cgroup controller for %s: mount cgroup v2, or v1 with memory, cpu, pids and freezer", strings.Join(missing, ", "))
	}
}

// field answers the number after name in a file of "name number" lines, such as memory.stat.
func field(text, name string) (int64, bool) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// parsePids reads cgroup.procs.
func parsePids(text string) ([]int, error) {
	var pids []int
	for _, f := range strings.Fields(text) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf("process id %q: %w", f, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
