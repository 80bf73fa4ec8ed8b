package probe

import (
	"fmt"
	"os"
	"strings"
)

func identityChecks() []check {
	return []check{
		{"I01", "inheritable capabilities", capability("CapInh")},
		{"I02", "permitted capabilities", capability("CapPrm")},
		{"I03", "effective capabilities", capability("CapEff")},
		{"I04", "capabilities in the bounding set", capability("CapBnd")},
		{"I05", "ambient capabilities", capability("CapAmb")},
		{"I06", "no_new_privs is not set", statusIs("NoNewPrivs", "0")},
		{"I07", "no system call filter", statusIs("Seccomp", "0")},
		{"I08", "runs as root", runsAsRoot},
		{"I09", "root's group or supplementary groups", rootsGroup},
		{"I10", "the user map holds the host's root", idMap("uid_map")},
		{"I11", "the group map holds the host's root", idMap("gid_map")},
		{"I12", "the host's user namespace", namespace("user", 0xEFFFFFFD)},
		{"I13", "the host's pid namespace", namespace("pid", 0xEFFFFFFC)},
		{"I14", "the host's mount namespace", namespace("mnt", 0xEFFFFFF8)},
		{"I15", "the host's network namespace", namespace("net", 0xEFFFFFF9)},
		{"I16", "the host's ipc namespace", namespace("ipc", 0xEFFFFFFF)},
		{"I17", "the host's uts namespace", namespace("uts", 0xEFFFFFFE)},
		{"I18", "the host's cgroup namespace", namespace("cgroup", 0xEFFFFFFB)},
	}
}

func capability(set string) func(*world) finding {
	return func(w *world) finding {
		value, ok := w.status[set]
		if !ok {
			return hit("/proc/self/status has no %s", set)
		}
		if strings.Trim(value, "0") != "" {
			return hit("%s %s", set, value)
		}
		return clean("%s %s", set, value)
	}
}

// statusIs hits when a field has a value, or is not there to be judged.
func statusIs(field, bad string) func(*world) finding {
	return func(w *world) finding {
		value, ok := w.status[field]
		if !ok {
			return hit("/proc/self/status has no %s", field)
		}
		return finding{value == bad, field + " " + value}
	}
}

func runsAsRoot(*world) finding {
	return finding{os.Geteuid() == 0, fmt.Sprintf("uid %d", os.Geteuid())}
}

func rootsGroup(*world) finding {
	groups, err := os.Getgroups()
	if err != nil {
		return hit("groups: %v", err)
	}
	for _, g := range groups {
		if g != os.Getegid() {
			return hit("gid %d, groups %v", os.Getegid(), groups)
		}
	}
	return finding{os.Getegid() == 0, fmt.Sprintf("gid %d", os.Getegid())}
}

func idMap(name string) func(*world) finding {
	return func(*world) finding {
		text, err := os.ReadFile("/proc/self/" + name)
		if err != nil {
			return clean("%v", err)
		}
		flat := strings.Join(strings.Fields(string(text)), " ")
		return finding{wholeMap(string(text)) || mapsRoot(string(text)), flat}
	}
}

// namespace hits when a namespace is the one that the kernel starts with. Those have fixed
// numbers (mount and network since Linux 6.18); before that, sharing with a pid 1 of the initial
// pid namespace says the same.
func namespace(kind string, initial uint64) func(*world) finding {
	return func(*world) finding {
		own, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			return clean("%v", err)
		}
		if own == fmt.Sprintf("%s:[%d]", kind, initial) {
			return hit("%s, the initial one", own)
		}
		pid, err := os.Readlink("/proc/self/ns/pid")
		if err != nil || pid != fmt.Sprintf("pid:[%d]", uint64(0xEFFFFFFC)) {
			return clean("%s", own)
		}
		if first, err := os.Readlink("/proc/1/ns/" + kind); err == nil && first == own {
			return hit("%s, shared with the host's first process", own)
		}
		return clean("%s", own)
	}
}
