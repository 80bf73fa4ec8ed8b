package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func fileChecks() []check {
	return []check{
		{"F01", "mounts that can be written, besides /tmp", writableMounts},
		{"F02", "system folders can be written", systemFolders},
		{"F03", "the code's folder can be written", codeFolder},
		{"F04", "the program's file can be written", programFile},
		{"F05", "files that the program did not open", leakedFiles},
		{"F06", "the control groups' file system", mounted("cgroup", "cgroup2")},
		{"F07", "the kernel's device tree (/sys)", mounted("sysfs")},
		{"F08", "debug, trace and security file systems", mounted("debugfs", "tracefs", "securityfs", "bpf", "pstore", "efivarfs", "configfs")},
		{"F09", "core_pattern can be written", writable("/proc/sys/kernel/core_pattern")},
		{"F10", "modprobe's path can be written", writable("/proc/sys/kernel/modprobe")},
		{"F11", "kernel settings can be written", writable("/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/hostname", "/proc/sys/kernel/panic", "/proc/sys/fs/file-max", "/proc/sys/net/ipv4/ip_forward")},
		{"F12", "sysrq-trigger can be written", writable("/proc/sysrq-trigger")},
		{"F13", "uevent_helper or power state can be written", writable("/sys/kernel/uevent_helper", "/sys/power/state", "/sys/kernel/mm/ksm/run")},
		{"F14", "binary formats can be registered", writable("/proc/sys/fs/binfmt_misc/register")},
		{"F15", "a release_agent can be set", releaseAgent},
		{"F16", "the kernel's memory", readable("/proc/kcore", "/dev/mem", "/dev/kmem", "/dev/port")},
		{"F17", "the kernel's log", readable("/dev/kmsg", "/proc/kmsg")},
		{"F18", "the kernel's addresses", addresses("/proc/kallsyms", "/proc/iomem", "/proc/modules")},
		{"F19", "other users' timers, keys and schedules", readable("/proc/timer_list", "/proc/sched_debug", "/proc/keys", "/proc/key-users", "/proc/latency_stats")},
		{"F20", "device nodes beyond the harmless", deviceNodes},
		{"F21", "device nodes can be made", makeNode},
		{"F22", "a terminal", terminal},
		{"F23", "programs that run as another user", setuid},
		{"F24", "sockets of container engines", sockets("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/podman/podman.sock", "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/systemd/notify")},
		{"F25", "sockets and data of Lambent", listable("/var/lib/lambent", "/etc/lambent", "/run/lambent/environments", "/var/lib/lambent/root-credentials")},
		{"F26", "the password file", readable("/etc/shadow", "/etc/gshadow", "/etc/sudoers")},
		{"F27", "root's home", listable("/root")},
		{"F28", "homes of users", listable("/home")},
		{"F29", "logs of the host", listable("/var/log", "/run/log")},
		{"F30", "keys of the host", readable("/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_rsa_key", "/etc/ssl/private", "/etc/machine-id")},
		{"F31", "the boot folder and kernel modules", listable("/boot", "/lib/modules")},
		{"F32", "state and schedules of the host", listable("/var/lib", "/var/spool", "/etc/cron.d", "/srv", "/mnt", "/media")},
		{"F33", "files of others in shared memory or /tmp", foreignTemp},
	}
}

// usual are places that every environment may write.
var usual = []string{"/tmp", "/dev/shm", "/dev/mqueue"}

func writableMounts(w *world) finding {
	var all []string
	for _, m := range w.mounts {
		if m.has("rw") && m.kind != "proc" && !slices.Contains(usual, m.point) {
			all = append(all, m.point)
		}
	}
	return found(all, "none")
}

// canCreate makes and removes a file in a folder.
func canCreate(dir string) bool {
	f, err := os.CreateTemp(dir, ".probe")
	if err != nil {
		return false
	}
	f.Close()
	return os.Remove(f.Name()) == nil
}

func systemFolders(*world) finding {
	var all []string
	for _, dir := range []string{"/", "/etc", "/usr", "/usr/bin", "/usr/lib", "/var", "/opt", "/run", "/dev", "/var/runtime"} {
		if canCreate(dir) {
			all = append(all, dir)
		}
	}
	return found(all, "none")
}

func codeFolder(w *world) finding {
	return finding{canCreate(w.task), w.task}
}

// programFile: a running program's file can't be opened for writing, but the error for that comes
// only after permission was given.
func programFile(*world) finding {
	f, err := os.OpenFile("/proc/self/exe", os.O_WRONLY, 0)
	if err == nil {
		f.Close()
		return hit("/proc/self/exe opens for writing")
	}
	return finding{errors.Is(err, unix.ETXTBSY), err.Error()}
}

func leakedFiles(w *world) finding {
	var all []string
	for _, f := range w.files {
		number, target, _ := strings.Cut(f, " ")
		own := strings.HasPrefix(target, "anon_inode:[event") || strings.HasPrefix(target, "/proc/") ||
			strings.HasPrefix(target, "/sys/fs/cgroup/") // Go's runtime reads its cpu limit
		if !own && !slices.Contains([]string{"0", "1", "2"}, number) {
			all = append(all, f)
		}
	}
	return found(all, "only standard input, output and error")
}

func mounted(kinds ...string) func(*world) finding {
	return func(w *world) finding {
		var all []string
		for _, m := range w.mounts {
			if slices.Contains(kinds, m.kind) {
				all = append(all, m.kind+" at "+m.point)
			}
		}
		return found(all, "not mounted")
	}
}

func opens(path string, flag int) bool {
	fd, err := unix.Open(path, flag|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

func anyOf(paths []string, ok func(string) bool) finding {
	var all []string
	for _, p := range paths {
		if ok(p) {
			all = append(all, p)
		}
	}
	return found(all, "none")
}

func writable(paths ...string) func(*world) finding {
	return func(*world) finding {
		return anyOf(paths, func(p string) bool { return opens(p, unix.O_WRONLY) })
	}
}

func readable(paths ...string) func(*world) finding {
	return func(*world) finding {
		return anyOf(paths, func(p string) bool {
			info, err := os.Stat(p)
			if err != nil || isNull(p) {
				return false
			}
			if info.IsDir() {
				return holdsSomething(p)
			}
			return opens(p, unix.O_RDONLY) && (info.Size() > 0 || !info.Mode().IsRegular() || reads(p))
		})
	}
}

// isNull: a path that is masked with /dev/null opens, and shows nothing.
func isNull(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(1, 3)
}

// reads answers whether a file has a first byte.
func reads(path string) bool {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, make([]byte, 1))
	return n > 0 || errors.Is(err, unix.EAGAIN)
}

func holdsSomething(path string) bool {
	entries, err := os.ReadDir(path)
	return err == nil && len(entries) > 0
}

func listable(paths ...string) func(*world) finding {
	return func(*world) finding { return anyOf(paths, holdsSomething) }
}

func sockets(paths ...string) func(*world) finding {
	return func(*world) finding {
		return anyOf(paths, func(p string) bool {
			info, err := os.Stat(p)
			return err == nil && info.Mode()&fs.ModeSocket != 0
		})
	}
}

func releaseAgent(w *world) finding {
	paths := []string{}
	for _, m := range w.mounts {
		if m.kind == "cgroup" {
			paths = append(paths, m.point+"/release_agent")
		}
	}
	return anyOf(paths, func(p string) bool { return opens(p, unix.O_WRONLY) })
}

// addresses hits when a file shows kernel addresses that are not hidden as zeros.
func addresses(paths ...string) func(*world) finding {
	return func(*world) finding {
		return anyOf(paths, func(p string) bool {
			f, err := os.Open(p)
			if err != nil {
				return false
			}
			defer f.Close()
			text := make([]byte, 4096)
			n, err := f.Read(text)
			if err != nil {
				return false
			}
			for line := range strings.Lines(string(text[:n])) {
				fields := strings.Fields(line)
				if p == "/proc/modules" && len(fields) >= 6 {
					fields = fields[5:]
				}
				if len(fields) > 0 && strings.Trim(fields[0], "0x-") != "" {
					return true
				}
			}
			return false
		})
	}
}

// harmless are the devices that an environment may have. Terminals have a check of their own.
var harmless = []string{"null", "zero", "full", "random", "urandom", "tty", "ptmx"}

func deviceNodes(*world) finding {
	var all []string
	entries, err := os.ReadDir("/dev")
	if err != nil {
		return clean("%v", err)
	}
	for _, e := range entries {
		if e.Type()&fs.ModeDevice != 0 && !slices.Contains(harmless, e.Name()) {
			all = append(all, e.Name())
		}
	}
	return found(all, "none")
}

func makeNode(w *world) finding {
	path := filepath.Join(w.temp, fmt.Sprintf(".probe-node-%d", os.Getpid()))
	if err := unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))); err != nil {
		return clean("%v", err)
	}
	defer os.Remove(path)
	return hit("mknod made a device in %s", w.temp)
}

func terminal(*world) finding {
	var all []string
	for fd := range 3 {
		if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
			all = append(all, fmt.Sprintf("descriptor %d", fd))
		}
	}
	for _, p := range []string{"/dev/tty", "/dev/console", "/dev/ptmx", "/dev/pts/ptmx", "/dev/tty1"} {
		if opens(p, unix.O_RDWR) {
			all = append(all, p)
		}
	}
	return found(all, "none")
}

// setuid looks for programs that would run as another user: those on a mount that honours them,
// for a process that may gain privileges.
func setuid(w *world) finding {
	if w.status["NoNewPrivs"] == "1" {
		return clean("no_new_privs makes them harmless")
	}
	var all []string
	for _, dir := range []string{"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/lib/openssh", "/usr/lib/dbus-1.0"} {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) != nil || st.Flags&unix.ST_NOSUID != 0 {
			continue
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
				all = append(all, filepath.Join(dir, e.Name()))
			}
		}
	}
	return found(all, "none")
}

func foreignTemp(*world) finding {
	var all []string
	for _, dir := range []string{"/tmp", "/var/tmp", "/dev/shm"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			var st unix.Stat_t
			p := filepath.Join(dir, e.Name())
			if unix.Lstat(p, &st) == nil && int(st.Uid) != os.Geteuid() {
				all = append(all, p)
			}
		}
	}
	return found(all, "none")
}
