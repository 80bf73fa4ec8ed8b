package probe

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func processChecks() []check {
	return []check{
		{"P01", "other processes", otherProcesses},
		{"P02", "variables of the first process", readable("/proc/1/environ")},
		{"P03", "the root folder of the first process", listable("/proc/1/root", "/proc/1/cwd")},
		{"P04", "memory of the first process", writable("/proc/1/mem")},
		{"P05", "variables of other processes", othersVariables},
		{"P06", "the memory limit is the host's: none", ownGroup("memory")},
		{"P07", "the limit of processes is the host's: none", ownGroup("pids")},
		{"P08", "more than 1,024 open files", rlimitAbove(unix.RLIMIT_NOFILE, 1024)},
		{"P09", "core dumps", rlimitAbove(unix.RLIMIT_CORE, 0)},
		{"P10", "limits can be raised", raiseLimit},
		{"P11", "priority can be raised", raisePriority},
		{"P12", "real-time scheduling", realTime},
		{"P13", "real-time disk priority", diskPriority},
		{"P14", "another user can be taken", takeUser},
		{"P15", "address randomisation can be turned off", personality},
	}
}

func numbers() []int {
	var all []int
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// ancestry answers the pids of this process and those it descends from.
func ancestry() []int {
	all := []int{os.Getpid()}
	for pid := os.Getppid(); pid > 0 && !slices.Contains(all, pid); {
		all = append(all, pid)
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			break
		}
		if pid, err = strconv.Atoi(parseStatus(string(text))["PPid"]); err != nil {
			break
		}
	}
	return all
}

func otherProcesses(*world) finding {
	own := append(ancestry(), 1) // 1: an environment's own init
	n := 0
	example := ""
	for _, pid := range numbers() {
		if slices.Contains(own, pid) {
			continue
		}
		n++
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && example == "" {
			example = strings.TrimSpace(string(name))
		}
	}
	return finding{n > 0, fmt.Sprintf("%d %s", n, example)}
}

func othersVariables(*world) finding {
	n := 0
	for _, pid := range numbers() {
		if pid != os.Getpid() && pid != 1 && reads(fmt.Sprintf("/proc/%d/environ", pid)) {
			n++
		}
	}
	return finding{n > 0, fmt.Sprintf("of %d processes", n)}
}

// ownGroup hits when this process is in the host's root group of a controller. In a cgroup
// namespace the root is the environment's own.
func ownGroup(controller string) func(*world) finding {
	return func(w *world) finding {
		text, err := os.ReadFile("/proc/self/cgroup")
		if err != nil {
			return clean("%v", err)
		}
		if f := namespace("cgroup", 0xEFFFFFFB)(w); !f.hit {
			return clean("%s", f.detail)
		}
		unified := ""
		for line := range strings.Lines(strings.TrimSpace(string(text))) {
			parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
			if len(parts) != 3 {
				continue
			}
			if slices.Contains(strings.Split(parts[1], ","), controller) {
				return finding{parts[2] == "/", strings.TrimSpace(line)}
			}
			if parts[0] == "0" {
				unified = parts[2]
			}
		}
		return finding{unified == "/", "0::" + unified}
	}
}

func rlimitAbove(resource int, most uint64) func(*world) finding {
	return func(*world) finding {
		var l unix.Rlimit
		if err := unix.Prlimit(0, resource, nil, &l); err != nil {
			return clean("%v", err)
		}
		return finding{l.Max > most, fmt.Sprintf("at most %d", l.Max)}
	}
}

// raiseLimit tries it on one that nothing here depends on, and takes it back.
func raiseLimit(*world) finding {
	var old unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NICE, nil, &old); err != nil {
		return clean("%v", err)
	}
	if old.Max >= 40 {
		return hit("RLIMIT_NICE is at its most already: %d", old.Max)
	}
	if err := unix.Prlimit(0, unix.RLIMIT_NICE, &unix.Rlimit{Cur: old.Cur, Max: old.Max + 1}, nil); err != nil {
		return clean("%v", err)
	}
	if err := unix.Prlimit(0, unix.RLIMIT_NICE, &old, nil); err != nil {
		return hit("RLIMIT_NICE was raised, and could not be lowered: %v", err)
	}
	return hit("RLIMIT_NICE was raised")
}

func raisePriority(*world) finding {
	return onThread(func() finding {
		raw, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
		if err != nil {
			return clean("%v", err)
		}
		nice := 20 - raw // the kernel answers 20 less the nice value
		if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), nice-1); err != nil {
			return clean("%v", err)
		}
		return hit("nice went from %d to %d", nice, nice-1)
	})
}

func realTime(*world) finding {
	return onThread(func() finding {
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}
		if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
			return clean("%v", err)
		}
		return hit("SCHED_RR was granted")
	})
}

func diskPriority(*world) finding {
	const self, realTime = 1, 1 << 13
	return onThread(func() finding {
		if _, _, e := unix.RawSyscall(unix.SYS_IOPRIO_SET, self, 0, realTime); e != 0 {
			return clean("%v", e)
		}
		return hit("a real-time class was granted")
	})
}

func takeUser(*world) finding {
	if os.Geteuid() == 0 {
		return hit("this is root, who may be anyone")
	}
	return onThread(func() finding {
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 0, 0, 0); e != 0 {
			return clean("%v", e)
		}
		return hit("setresuid(0) was granted")
	})
}

func personality(*world) finding {
	const ask, noRandom = 0xffffffff, 0x0040000
	return onThread(func() finding {
		old, _, e := unix.RawSyscall(unix.SYS_PERSONALITY, ask, 0, 0)
		if e != 0 {
			return clean("%v", e)
		}
		if _, _, e = unix.RawSyscall(unix.SYS_PERSONALITY, old|noRandom, 0, 0); e != 0 {
			return clean("%v", e)
		}
		return hit("ADDR_NO_RANDOMIZE was granted")
	})
}
