package host

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Facts are what was seen of a host. An error is why something can't be had; nil: it can.
type Facts struct {
	OS, Arch, Kernel string // "linux", "amd64", "6.18.44"
	Root             bool
	Namespaces       error // user, mount, pid, net, ipc, uts and cgroup namespaces at once
	MountAPI         error // mounting by file descriptor
	ProcMasked       []string
	Cgroups          string // "v1: cpu, memory, pids", "v2"
	CgroupError      error
	Seccomp          error // filters with an errno of their own
	Landlock         int   // version of its interface; 0: none
	Loop             error // loop devices
	Ext4             error // the kernel's file system and the program that makes one
	Try              error // a whole environment was started
	Tried            bool
	Interpreters     []Interpreter
	InterpreterError error

	Swap, SMT, KSM bool
	CorePipe       string // the program that core dumps are piped to
	IOUring        bool   // any user may use it
}

// Interpreter is a program of the host that runs a family of functions.
type Interpreter struct {
	Family     string `json:"family"`
	Version    string `json:"version"`
	Executable string `json:"executable"`
}

// Report is what a host can do.
type Report struct {
	OS           string        `json:"os"`
	Arch         string        `json:"arch"`
	Kernel       string        `json:"kernel"`
	Checks       []Check       `json:"checks"`
	Interpreters []Interpreter `json:"interpreters"`
	Drivers      []Driver      `json:"drivers"`
	Warnings     []string      `json:"warnings"` // what a careful operator would change
}

// Check is one thing that was looked for.
type Check struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Required bool   `json:"required"` // the native sandbox can't run without it
	Value    string `json:"value"`    // what there is, or why there is nothing
	Advice   string `json:"advice,omitempty"`
}

// Driver says whether a sandbox can be used.
type Driver struct {
	Name     string `json:"name"`
	Possible bool   `json:"possible"`
	Note     string `json:"note"`
}

// Native answers nil when the native sandbox can run here, or what to do about it.
func (r Report) Native() error {
	var missing []string
	for _, c := range r.Checks {
		if c.Required && !c.OK {
			missing = append(missing, fmt.Sprintf("%s: %s. %s", c.Name, c.Value, c.Advice))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return errors.New("the native sandbox can't run on this host: " + strings.Join(missing, " "))
}

// kernelFloor is the first kernel with all that is used: Landlock came last.
var kernelFloor = [3]int{5, 13, 0}

const onlyLinux = "Run Lambent on Linux: on another system, in a Linux virtual machine; for development alone, \"lambent serve --dev --sandbox process\" runs here."

// Assess judges facts.
func Assess(f Facts) Report {
	r := Report{OS: f.OS, Arch: f.Arch, Kernel: f.Kernel, Interpreters: slices.Clone(f.Interpreters)}
	if f.OS == "linux" {
		r.Checks = linuxChecks(f)
		r.Warnings = warnings(f)
	} else {
		r.Checks = []Check{{Name: "system", Required: true, Value: f.OS, Advice: onlyLinux}}
	}
	r.Checks = append(r.Checks, interpreterCheck(f))
	for i := range r.Checks {
		if r.Checks[i].OK {
			r.Checks[i].Advice = ""
		}
	}
	native := Driver{Name: "native", Possible: true, Note: "isolates functions with the kernel's namespaces, cgroups, seccomp and Landlock"}
	if r.Native() != nil {
		native.Possible, native.Note = false, "what is missing stands above"
	}
	r.Drivers = []Driver{native, {Name: "process", Possible: true, Note: "isolates nothing: for development with --dev only"}}
	return r
}

func linuxChecks(f Facts) []Check {
	kernel := Check{
		Name: "kernel", OK: atLeast(f.Kernel, kernelFloor), Required: true, Value: f.Kernel,
		Advice: "Run Linux 5.13 or newer, best the newest long-term release of your distribution.",
	}
	root := Check{
		Name: "root", OK: f.Root, Required: true, Value: "yes",
		Advice: "Run the server as root: it gives every environment users of its own and keeps no root inside.",
	}
	if !f.Root {
		root.Value = "no"
	}
	checks := []Check{
		kernel, root,
		f.need("namespaces", "user, mount, pid, net, ipc, uts, cgroup", f.Namespaces,
			"Allow them: sysctl user.max_user_namespaces=10000, kernel.unprivileged_userns_clone=1 where it exists; inside a container, run it privileged."),
		f.need("mount API", "open_tree, move_mount, mount_setattr, fsopen", f.MountAPI,
			"Run Linux 5.12 or newer; inside a container, its seccomp profile must let these calls pass."),
		f.need("/proc", "whole", procError(f.ProcMasked),
			"Start Lambent where nothing is mounted over parts of /proc; inside a container, unmask it (Docker: --security-opt systempaths=unconfined)."),
		f.need("cgroups", f.Cgroups, f.CgroupError,
			"Mount cgroup v2 with the memory, cpu and pids controllers, writable; as a systemd service set Delegate=yes; inside a container, run it privileged."),
		f.need("seccomp", "filters", f.Seccomp, "Run a kernel with CONFIG_SECCOMP_FILTER."),
	}
	landlock := Check{
		Name: "landlock", OK: f.Landlock > 0, Required: true, Value: fmt.Sprintf("version %d", f.Landlock),
		Advice: "Run a kernel with CONFIG_SECURITY_LANDLOCK and put landlock into its lsm= parameter.",
	}
	if f.Landlock == 0 {
		landlock.Value = "none"
	}
	checks = append(checks, landlock,
		f.need("loop devices", "for /tmp of a fixed size", f.Loop, "Load them (modprobe loop); inside a container, pass /dev/loop-control and the loop devices on."),
		f.need("ext4", "for /tmp of a fixed size", f.Ext4, "Install e2fsprogs (mkfs.ext4) and load ext4 (modprobe ext4)."))
	if f.Tried {
		checks = append(checks, f.need("environment", "one was started and ended", f.Try, "Mend what this names; if all else above is well, it is a fault of Lambent: please report it."))
	}
	return checks
}

// need makes a check without which the native sandbox can't run. What only root may try is not
// known without being root.
func (f Facts) need(name, value string, err error, advice string) Check {
	c := Check{Name: name, OK: err == nil, Required: true, Value: value, Advice: advice}
	if err != nil {
		c.Value = err.Error()
	}
	if !f.Root && errors.Is(err, fs.ErrPermission) {
		c.Advice = "Only root may know: run this as root."
	}
	return c
}

func procError(masked []string) error {
	if len(masked) == 0 {
		return nil
	}
	return fmt.Errorf("parts are hidden: %s", strings.Join(masked, ", "))
}

func interpreterCheck(f Facts) Check {
	const advice = "Install python3 or nodejs, or deploy functions with a bootstrap of their own (provided.al2023)."
	c := Check{Name: "interpreters", OK: len(f.Interpreters) > 0, Value: "none"}
	var all []string
	for _, i := range f.Interpreters {
		all = append(all, i.Family+" "+i.Version)
	}
	switch {
	case f.InterpreterError != nil:
		c.OK, c.Value, c.Advice = false, f.InterpreterError.Error(), advice
	case !c.OK:
		c.Advice = advice
	default:
		c.Value = strings.Join(all, ", ")
	}
	return c
}

// nsfs: other processes' namespaces could be opened by their handles (CVE-2026-43391, -43403).
var nsfsFrom, nsfsFixed = [3]int{6, 13, 0}, [3]int{6, 18, 21}

func warnings(f Facts) []string {
	var all []string
	warn := func(when bool, text string) {
		if when {
			all = append(all, text)
		}
	}
	warn(atLeast(f.Kernel, nsfsFrom) && !atLeast(f.Kernel, nsfsFixed),
		"This kernel has faults in its namespace file system (CVE-2026-43391, CVE-2026-43403): update it to 6.18.21 or newer.")
	warn(f.CorePipe != "",
		fmt.Sprintf("Core dumps are piped to %s, which runs as root on what a program left: set kernel.core_pattern=core.", f.CorePipe))
	warn(f.IOUring, "io_uring is open to every user of this host: functions can't reach it, but set kernel.io_uring_disabled=1 unless something needs it.")
	warn(f.Swap, "There is swap: what functions keep in memory may reach the disk, and memory limits are softer. Turn it off (swapoff -a).")
	warn(f.SMT, "Hyper-threads are on: tenants that share a core can measure each other. Turn SMT off where tenants are hostile.")
	warn(f.KSM, "Same-page merging is on: tenants can tell what pages others hold. Turn it off (echo 0 > /sys/kernel/mm/ksm/run).")
	return all
}

// parseKernel reads a version such as "6.18.44-fc" or "5.15". Parts that are not there are 0.
func parseKernel(version string) [3]int {
	var v [3]int
	rest := version
	for i := range v {
		end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(rest)
		}
		n, err := strconv.Atoi(rest[:end])
		if err != nil {
			break
		}
		v[i] = n
		if end == len(rest) || rest[end] != '.' {
			break
		}
		rest = rest[end+1:]
	}
	return v
}

func atLeast(version string, floor [3]int) bool {
	v := parseKernel(version)
	return slices.Compare(v[:], floor[:]) >= 0
}

// masked answers the mount points below /proc, from the text of mountinfo. binfmt_misc has its
// place there.
func masked(mountinfo string) []string {
	var all []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[4], "/proc/") && fields[4] != "/proc/sys/fs/binfmt_misc" {
			all = append(all, fields[4])
		}
	}
	return all
}
