package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Group is one limited set of processes. Its methods may be called from several goroutines.
type Group struct {
	dirs map[string]string // controller, or unified for v2 -> directory
	v2   bool              // limits are v2's
}

const period = 100_000 // µs, of the CPU ceiling

// Name answers the group's own name, without its account.
func (g *Group) Name() string {
	for _, dir := range g.dirs {
		return filepath.Base(dir)
	}
	return ""
}

func (g *Group) setLimits(l Limits) error {
	quota := strconv.FormatInt(l.CPUMilli*period/1000, 10)
	bytes := strconv.FormatInt(l.MemoryBytes, 10)
	if g.v2 {
		d := g.dirs[unified]
		return errors.Join(
			write(d, "memory.max", bytes),
			writeIfThere(d, "memory.swap.max", "0"),
			write(d, "cpu.weight", strconv.FormatInt(weight(l.CPUShares), 10)),
			write(d, "cpu.max", quota+" "+strconv.Itoa(period)),
			write(d, "pids.max", strconv.FormatInt(l.Pids, 10)),
		)
	}
	memory, cpu := g.dirs["memory"], g.dirs["cpu"]
	return errors.Join(
		write(memory, "memory.limit_in_bytes", bytes),
		writeIfThere(memory, "memory.memsw.limit_in_bytes", bytes),
		write(memory, "memory.swappiness", "0"),
		writeIfThere(memory, "memory.kmem.tcp.limit_in_bytes", bytes),
		write(cpu, "cpu.shares", strconv.FormatInt(l.CPUShares, 10)),
		write(cpu, "cpu.cfs_period_us", strconv.Itoa(period)),
		write(cpu, "cpu.cfs_quota_us", quota),
		write(g.dirs["pids"], "pids.max", strconv.FormatInt(l.Pids, 10)),
	)
}

// Tasks answers, for v1, one descriptor per hierarchy: a thread that writes "0" to each joins,
// and what it forks is born inside. The kernel checks the right to do so against the opener.
// v2 has no such thing: the answer is empty where limits are v2's.
func (g *Group) Tasks() ([]*os.File, error) {
	if g.v2 {
		return nil, nil
	}
	var files []*os.File
	seen := make(map[string]bool)
	for _, c := range append(needed[:len(needed):len(needed)], freezer) {
		dir := g.dirs[c]
		if seen[dir] || dir == "" {
			continue
		}
		seen[dir] = true
		f, err := os.OpenFile(filepath.Join(dir, "tasks"), os.O_WRONLY, 0)
		if err != nil {
			for _, f := range files {
				err = errors.Join(err, f.Close())
			}
			return nil, fmt.Errorf("open cgroup tasks: %w", err)
		}
		files = append(files, f)
	}
	return files, nil
}

// Dir answers the v2 directory for CLONE_INTO_CGROUP, nil where v2 is not mounted.
func (g *Group) Dir() (*os.File, error) {
	if !g.hasV2() {
		return nil, nil
	}
	f, err := os.Open(g.dirs[unified])
	if err != nil {
		return nil, fmt.Errorf("open cgroup: %w", err)
	}
	return f, nil
}

// hasV2 says whether the group can be frozen and killed by v2.
func (g *Group) hasV2() bool { return g.dirs[unified] != "" }

// Freeze stops all processes of the group and returns when they stand still.
func (g *Group) Freeze(limit time.Duration) error { return g.setFrozen(limit, true) }

// Thaw lets them go on.
func (g *Group) Thaw(limit time.Duration) error { return g.setFrozen(limit, false) }

func (g *Group) setFrozen(limit time.Duration, frozen bool) error {
	dir, file, value := g.dirs[freezer], "freezer.state", "THAWED"
	if frozen {
		value = "FROZEN"
	}
	if g.hasV2() {
		dir, file, value = g.dirs[unified], "cgroup.freeze", "0"
		if frozen {
			value = "1"
		}
	}
	if err := write(dir, file, value); err != nil {
		return fmt.Errorf("freeze cgroup: %w", err)
	}
	return until(limit, func() (bool, error) {
		if g.hasV2() {
			events, err := read(dir, "cgroup.events")
			n, ok := field(events, "frozen")
			return err != nil || ok && (n == 1) == frozen, err
		}
		state, err := read(dir, file)
		if err == nil && state != value {
			// The freezer of v1 may miss a process that forks meanwhile; asking again helps it.
			err = write(dir, file, value)
			return false, err
		}
		return true, err
	})
}

// ResetPeak forgets the peak, so that Peak counts from now on. Kernels that cannot, keep it.
func (g *Group) ResetPeak() error {
	if g.v2 {
		return nil // memory.peak is reset per descriptor only, and holding one costs more than it gives
	}
	return write(g.dirs["memory"], "memory.max_usage_in_bytes", "0")
}

// Peak answers the largest amount of memory that was in use at a time, without the page cache
// of files that the kernel would give back: a small function that writes a large file has not
// used its memory up. The kernel keeps no such peak; this is the raw one less today's cache.
func (g *Group) Peak() (int64, error) {
	dir, peakFile, usageFile, prefix := g.dirs["memory"], "memory.max_usage_in_bytes", "memory.usage_in_bytes", "total_"
	if g.v2 {
		dir, peakFile, usageFile, prefix = g.dirs[unified], "memory.peak", "memory.current", ""
	}
	now, err := readNumber(dir, usageFile)
	if err != nil {
		return 0, fmt.Errorf("read memory use: %w", err)
	}
	peak, err := readNumber(dir, peakFile)
	if errors.Is(err, fs.ErrNotExist) {
		peak, err = now, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read memory use: %w", err)
	}
	stat, err := read(dir, "memory.stat")
	if err != nil {
		return 0, fmt.Errorf("read memory use: %w", err)
	}
	active, _ := field(stat, prefix+"active_file")
	inactive, _ := field(stat, prefix+"inactive_file")
	return max(0, max(peak, now)-active-inactive), nil
}

// OOMKills answers how many processes of the group the kernel has ended for want of memory.
func (g *Group) OOMKills() (int64, error) {
	dir, file := g.dirs["memory"], "memory.oom_control"
	if g.v2 {
		dir, file = g.dirs[unified], "memory.events"
	}
	text, err := read(dir, file)
	if err != nil {
		return 0, fmt.Errorf("read out-of-memory count: %w", err)
	}
	n, _ := field(text, "oom_kill")
	return n, nil
}

// WatchOOM answers a descriptor that becomes readable when the group runs out of memory: just
// before the kernel ends something (v1), or at any change of memory.events (v2). OOMKills tells
// whether it did. The kernel is not asked to end the group whole (memory.oom.group): who starts
// the next process, and watches this one, may be inside.
func (g *Group) WatchOOM() (*os.File, error) {
	watch := g.watchV1
	if g.v2 {
		watch = func() (*os.File, error) { return watchFile(filepath.Join(g.dirs[unified], "memory.events")) }
	}
	event, err := watch()
	if err != nil {
		return nil, fmt.Errorf("watch for want of memory: %w", err)
	}
	return event, nil
}

func (g *Group) watchV1() (*os.File, error) {
	control, err := os.Open(filepath.Join(g.dirs["memory"], "memory.oom_control"))
	if err != nil {
		return nil, err
	}
	defer control.Close()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	event := os.NewFile(uintptr(fd), "oom")
	arm := strconv.Itoa(fd) + " " + strconv.Itoa(int(control.Fd()))
	if err := write(g.dirs["memory"], "cgroup.event_control", arm); err != nil {
		return nil, errors.Join(err, event.Close())
	}
	return event, nil
}

// watchFile answers a descriptor that becomes readable when the kernel changes a control file.
// What it reads is an inotify event.
func watchFile(path string) (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	event := os.NewFile(uintptr(fd), path)
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY); err != nil {
		return nil, errors.Join(err, event.Close())
	}
	return event, nil
}

// Pids answers the group's processes, as this process sees them.
func (g *Group) Pids() ([]int, error) {
	all := make(map[int]bool)
	var pids []int
	for _, dir := range g.dirs {
		text, err := read(dir, "cgroup.procs")
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list processes: %w", err)
		}
		found, err := parsePids(text)
		if err != nil {
			return nil, err
		}
		for _, pid := range found {
			if pid != 0 && !all[pid] {
				all[pid] = true
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}

// Kill ends every process of the group and returns when it is empty. Use it for groups whose
// processes cannot be ended through their PID namespace any more.
func (g *Group) Kill(limit time.Duration) error {
	if !g.hasV2() { // a process that v1 has frozen does not even die
		if err := write(g.dirs[freezer], "freezer.state", "THAWED"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("thaw cgroup: %w", err)
		}
	}
	return until(limit, func() (bool, error) {
		pids, err := g.Pids()
		if err != nil || len(pids) == 0 {
			return true, err
		}
		if g.hasV2() && write(g.dirs[unified], "cgroup.kill", "1") == nil {
			return false, nil // from Linux 5.14 on
		}
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
				return true, fmt.Errorf("end process %d: %w", pid, err)
			}
		}
		return false, nil
	})
}

// Remove removes the group, waiting for its last processes to be gone, and the account's
// directory if this was its last group.
func (g *Group) Remove(limit time.Duration) error {
	return until(limit, func() (bool, error) {
		err := g.tryRemove()
		return !errors.Is(err, unix.EBUSY), err
	})
}

func (g *Group) tryRemove() error {
	var errs []error
	for _, dir := range g.dirs {
		if err := removeDir(dir); err != nil {
			errs = append(errs, err)
			continue
		}
		if err := removeDir(filepath.Dir(dir)); err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOTEMPTY) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
